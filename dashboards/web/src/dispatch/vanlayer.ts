/** Thousands of vans on a map: one draw call of one buffer. A source of features would copy and tile them anew at each update. */

import maplibregl, { type CustomLayerInterface, type CustomRenderMethodInput } from "maplibre-gl";

/** x, y (mercator, from the origin), heading (radians; below -9: none), colour (number in `COLOURS`), size (1, or larger when selected). */
const WIDTH = 5;
export const NO_HEADING = -10;
export type Paint = "ok" | "late" | "silent" | "off" | "alarm";
const PAINTS: readonly Paint[] = ["ok", "late", "silent", "off", "alarm"];
const COLOURS: Record<Paint, [number, number, number]> = {
  ok: [0.04, 0.42, 0.29], late: [0.72, 0.38, 0.0], silent: [0.46, 0.46, 0.46], off: [0.62, 0.65, 0.63], alarm: [0.72, 0.06, 0.16],
};

const VERTEX = `#version 300 es
uniform mat4 u_matrix; uniform float u_size; uniform vec3 u_colours[5];
in vec2 a_at; in float a_heading; in float a_paint; in float a_size;
out float v_heading; out vec3 v_colour; out float v_px;
void main() {
  gl_Position = u_matrix * vec4(a_at, 0.0, 1.0);
  gl_PointSize = u_size * a_size;
  v_px = 2.0 / gl_PointSize;
  v_heading = a_heading;
  v_colour = u_colours[int(a_paint)];
}`;
// A disc with a white rim, and a tip that points where the van drives.
const FRAGMENT = `#version 300 es
precision mediump float;
in float v_heading; in vec3 v_colour; in float v_px;
out vec4 colour;
void main() {
  vec2 p = gl_PointCoord * 2.0 - 1.0;
  float d = length(p) - 0.58;
  if (v_heading > -9.0) {
    float s = sin(v_heading), c = cos(v_heading);
    vec2 q = vec2(c * p.x + s * p.y, -s * p.x + c * p.y);
    float tip = max(dot(vec2(abs(q.x), -q.y) - vec2(0.0, 0.98), vec2(0.80, 0.60)), q.y);
    d = min(d, tip);
  }
  float rim = 2.2 * v_px;
  float alpha = 1.0 - smoothstep(-v_px, 0.0, d);
  if (alpha <= 0.0) discard;
  vec3 ink = mix(v_colour, vec3(1.0), smoothstep(-rim - v_px, -rim, d));
  colour = vec4(ink * alpha, alpha);
}`;

export class VanLayer implements CustomLayerInterface {
  readonly id = "vans";
  readonly type = "custom" as const;
  readonly renderingMode = "2d" as const;
  private data = new Float32Array(WIDTH * 64);
  private count = 0;
  private fresh = false;
  private origin: [number, number] | null = null;
  private map: maplibregl.Map | null = null;
  private program: WebGLProgram | null = null;
  private buffer: WebGLBuffer | null = null;
  private attributes: WebGLVertexArrayObject | null = null;
  private readonly matrix = new Float32Array(16);
  private readonly colours = new Float32Array(PAINTS.flatMap((paint) => COLOURS[paint]));

  /** Begin a new set of at most `most` vans. */
  begin(most: number): void {
    if (most * WIDTH > this.data.length) this.data = new Float32Array(2 ** Math.ceil(Math.log2(most * WIDTH)));
    this.count = 0;
  }

  add(lat_deg: number, lon_deg: number, heading_deg: number | null, paint: Paint, size: number): void {
    const x = (lon_deg + 180) / 360;
    const y = (180 - (180 / Math.PI) * Math.log(Math.tan(Math.PI / 4 + (lat_deg * Math.PI) / 360))) / 360;
    // From an origin near by: the earth in 24 bits would be steps of two metres.
    this.origin ??= [x, y];
    const at = this.count++ * WIDTH;
    this.data[at] = x - this.origin[0];
    this.data[at + 1] = y - this.origin[1];
    this.data[at + 2] = heading_deg === null ? NO_HEADING : (heading_deg * Math.PI) / 180;
    this.data[at + 3] = PAINTS.indexOf(paint);
    this.data[at + 4] = size;
  }

  /** Show what was added since `begin`. */
  show(): void {
    this.fresh = true;
    this.map?.triggerRepaint();
  }

  onAdd(map: maplibregl.Map, any: WebGLRenderingContext | WebGL2RenderingContext): void {
    const gl = any as WebGL2RenderingContext; // MapLibre asks for WebGL 2 first; `canDraw` has made sure that it is there
    this.map = map;
    const program = gl.createProgram()!;
    for (const [type, source] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]] as const) {
      const shader = gl.createShader(type)!;
      gl.shaderSource(shader, source);
      gl.compileShader(shader);
      if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS)) throw new Error(gl.getShaderInfoLog(shader) ?? "the vans' shader does not compile");
      gl.attachShader(program, shader);
    }
    gl.linkProgram(program);
    this.program = program;
    this.buffer = gl.createBuffer();
    this.attributes = gl.createVertexArray();
    gl.bindVertexArray(this.attributes);
    gl.bindBuffer(gl.ARRAY_BUFFER, this.buffer);
    let offset = 0;
    for (const [name, size] of [["a_at", 2], ["a_heading", 1], ["a_paint", 1], ["a_size", 1]] as const) {
      const place = gl.getAttribLocation(program, name);
      gl.enableVertexAttribArray(place);
      gl.vertexAttribPointer(place, size, gl.FLOAT, false, WIDTH * 4, offset);
      offset += size * 4;
    }
    gl.bindVertexArray(null);
  }

  onRemove(_map: maplibregl.Map, any: WebGLRenderingContext | WebGL2RenderingContext): void {
    const gl = any as WebGL2RenderingContext;
    gl.deleteProgram(this.program);
    gl.deleteBuffer(this.buffer);
    gl.deleteVertexArray(this.attributes);
    this.map = null;
  }

  render(any: WebGLRenderingContext | WebGL2RenderingContext, input: CustomRenderMethodInput): void {
    const gl = any as WebGL2RenderingContext;
    if (!this.map || !this.origin || this.count === 0) return;
    const whole = input.defaultProjectionData.mainMatrix;
    const [x, y] = this.origin;
    for (let at = 0; at < 16; at++) this.matrix[at] = whole[at]!;
    for (let row = 0; row < 4; row++) this.matrix[12 + row] = whole[row]! * x + whole[4 + row]! * y + whole[12 + row]!;
    gl.useProgram(this.program);
    gl.bindVertexArray(this.attributes);
    if (this.fresh) {
      gl.bindBuffer(gl.ARRAY_BUFFER, this.buffer);
      gl.bufferData(gl.ARRAY_BUFFER, this.data.subarray(0, this.count * WIDTH), gl.DYNAMIC_DRAW);
      this.fresh = false;
    }
    gl.uniformMatrix4fv(gl.getUniformLocation(this.program!, "u_matrix"), false, this.matrix);
    gl.uniform3fv(gl.getUniformLocation(this.program!, "u_colours"), this.colours);
    gl.uniform1f(gl.getUniformLocation(this.program!, "u_size"), sizePx(this.map.getZoom()) * devicePixelRatio);
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    gl.drawArrays(gl.POINTS, 0, this.count);
    gl.bindVertexArray(null);
  }
}

/** Small where thousands are seen, large enough to read and to hit in a street. */
export const sizePx = (zoom: number): number => Math.max(9, Math.min(32, 9 + (zoom - 9) * 5));
