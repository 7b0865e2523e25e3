// Draws the map with the canvas alone. Streets are painted once into a sheet larger than the glass; each new position only moves and
// turns that sheet and paints route, stops and van on it: a Pi without a graphics chip does this in a few milliseconds.
import { CLASSES, labelPlace } from "./ground.js";

const SPARE = 1.5; // the sheet is this much larger than the glass in each direction: a van drives a minute before it is painted anew
const INKS = {
  day: { paper: "#eef0ec", water: "#b9d6e4", casing: "#b4bab4", street: "#ffffff", name: "#3a4440", halo: "#ffffff", route: "#0b4fbf", ahead: "#7a8aa8", stop: "#0b1220", on: "#ffffff", van: "#b42318" },
  night: { paper: "#0c1114", water: "#152a38", casing: "#05080a", street: "#39454a", name: "#aab6bd", halo: "#0c1114", route: "#5b93ff", ahead: "#56657f", stop: "#dfe6ee", on: "#05080d", van: "#ff8a7a" },
};
const WIDTH_M = { path: 4, service: 4, minor: 8, medium: 11, major: 15 };
const LEAST_PX = { path: 0.5, service: 0.5, minor: 1, medium: 2, major: 3 };
const NAMES = 10;

export class Paper {
  constructor(canvas) {
    this.canvas = canvas;
    this.pen = canvas.getContext("2d");
    this.sheet = document.createElement("canvas");
    this.painted = null;
  }

  // Paint a view {x, y, scale (px per m), turn (rad), light} with {ground, route, next, ahead, stops, van} in metres.
  paint(view, world) {
    const ratio = Math.min(devicePixelRatio || 1, 2);
    const [width, height] = [this.canvas.clientWidth, this.canvas.clientHeight];
    if (!width || !height) return;
    if (this.canvas.width !== Math.round(width * ratio) || this.canvas.height !== Math.round(height * ratio)) {
      this.canvas.width = Math.round(width * ratio);
      this.canvas.height = Math.round(height * ratio);
    }
    const ink = INKS[view.light];
    const sheet = world.ground && this.#sheetFor(view, world.ground, Math.hypot(width, height) * SPARE, ratio, ink);
    const pen = this.pen;
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.fillStyle = ink.paper;
    pen.fillRect(0, 0, width, height);
    // The van stands low in a map that turns with it: what is ahead is worth more than what is behind.
    const [cx, cy] = [width / 2, height * view.low];
    if (sheet) {
      pen.save();
      pen.translate(cx, cy);
      pen.rotate(view.turn);
      pen.translate((sheet.x - view.x) * view.scale, (sheet.y - view.y) * view.scale);
      pen.drawImage(this.sheet, -sheet.size / 2, -sheet.size / 2, sheet.size, sheet.size);
      pen.restore();
    }
    const [cos, sin] = [Math.cos(view.turn), Math.sin(view.turn)];
    const at = (x, y) => {
      const [dx, dy] = [(x - view.x) * view.scale, (y - view.y) * view.scale];
      return [cx + dx * cos - dy * sin, cy + dx * sin + dy * cos];
    };
    if (sheet) this.#names(sheet.labels, view, at, ink, width, height);
    this.#route(world, at, ink);
    for (const stop of world.stops) this.#stop(at(stop.x, stop.y), stop, ink);
    if (world.van) this.#van(at(world.van.x, world.van.y), world.van, view.turn, ink);
  }

  #sheetFor(view, ground, size, ratio, ink) {
    const was = this.painted;
    const room = (size - size / SPARE) / 2;
    if (was && was.ground === ground && was.scale === view.scale && was.light === view.light && was.size === size) {
      if (Math.hypot(view.x - was.x, view.y - was.y) * view.scale < room) return was;
    }
    const half = size / 2 / view.scale;
    const box = [view.x - half, view.y - half, view.x + half, view.y + half];
    this.sheet.width = this.sheet.height = Math.round(size * ratio);
    const pen = this.sheet.getContext("2d");
    pen.fillStyle = ink.paper;
    pen.fillRect(0, 0, this.sheet.width, this.sheet.height);
    pen.setTransform(ratio * view.scale, 0, 0, ratio * view.scale, (size * ratio) / 2 - view.x * ratio * view.scale, (size * ratio) / 2 - view.y * ratio * view.scale);
    pen.lineCap = pen.lineJoin = "round";
    const lines = ground.within(box).filter((line) => view.scale > 0.12 || line.kind >= CLASSES.indexOf("medium") || line.kind < 2);
    this.#lines(pen, lines, view.scale, ink);
    const reach = half / SPARE / 1.3;
    const glass = [view.x - reach, view.y - reach, view.x + reach, view.y + reach];
    const labels = new Map();
    for (const line of lines) {
      if (!line.name || view.scale < 0.12) continue;
      const place = labelPlace(line, glass, 70 / view.scale);
      if (place && !(labels.get(line.name)?.length > place.length)) labels.set(line.name, place);
    }
    const ranked = [...labels.values()].sort((a, b) => b.kind - a.kind || b.length - a.length);
    this.painted = { ground, x: view.x, y: view.y, scale: view.scale, light: view.light, size, labels: ranked };
    return this.painted;
  }

  #lines(pen, lines, scale, ink) {
    const trace = (line) => {
      pen.moveTo(line.points[0], line.points[1]);
      for (let i = 2; i < line.points.length; i += 2) pen.lineTo(line.points[i], line.points[i + 1]);
    };
    for (const [pass, casing] of [["water", 0], ["casing", 2.4], ["street", 0]]) {
      for (const kind of CLASSES) {
        const wet = kind === "water" || kind === "waterway";
        if (wet !== (pass === "water")) continue;
        const some = lines.filter((line) => CLASSES[line.kind] === kind);
        if (!some.length) continue;
        pen.beginPath();
        some.forEach(trace);
        pen.fillStyle = pen.strokeStyle = ink[pass];
        if (kind === "water") pen.fill();
        else {
          pen.lineWidth = wet ? 8 : Math.max(WIDTH_M[kind], LEAST_PX[kind] / scale) + casing / scale;
          pen.stroke();
        }
      }
    }
  }

  #names(labels, view, at, ink, width, height) {
    const pen = this.pen;
    pen.font = "600 14px 'DejaVu Sans', 'Noto Sans', system-ui, sans-serif";
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    const taken = [];
    for (const label of labels) {
      if (taken.length >= NAMES) break;
      const [x, y] = at(label.x, label.y);
      const half = pen.measureText(label.name).width / 2 + 4;
      if (x < half || x > width - half || y < 12 || y > height - 12) continue;
      if (half * 2 > label.length * view.scale) continue;
      if (taken.some(([ox, oy, other]) => Math.hypot(x - ox, y - oy) < (half + other) * 0.9)) continue;
      taken.push([x, y, half]);
      let angle = (label.angle + view.turn) % Math.PI;
      if (angle > Math.PI / 2) angle -= Math.PI;
      if (angle < -Math.PI / 2) angle += Math.PI;
      pen.save();
      pen.translate(x, y);
      pen.rotate(angle);
      pen.lineWidth = 3;
      pen.strokeStyle = ink.halo;
      pen.strokeText(label.name, 0, 0);
      pen.fillStyle = ink.name;
      pen.fillText(label.name, 0, 0);
      pen.restore();
    }
  }

  // The leg to the next stop is strong, the rest of the round faint. Where no road is known, a dashed line says so.
  #route({ legs, dashed }, at, ink) {
    const pen = this.pen;
    pen.lineCap = pen.lineJoin = "round";
    pen.setLineDash(dashed ? [3, 10] : []);
    for (const [points, color, wide] of [[legs.after, ink.ahead, 4], [legs.now, ink.route, 7]]) {
      if (points.length < 2) continue;
      pen.beginPath();
      points.forEach(([x, y], index) => (index ? pen.lineTo(...at(x, y)) : pen.moveTo(...at(x, y))));
      pen.strokeStyle = color;
      pen.lineWidth = wide;
      pen.stroke();
    }
    pen.setLineDash([]);
  }

  #stop([x, y], stop, ink) {
    const pen = this.pen;
    const radius = stop.next ? 16 : 11;
    pen.beginPath();
    pen.arc(x, y, radius, 0, 2 * Math.PI);
    pen.fillStyle = stop.next ? ink.route : ink.stop;
    pen.fill();
    pen.lineWidth = 2;
    pen.strokeStyle = ink.on;
    pen.stroke();
    pen.fillStyle = ink.on;
    pen.font = `800 ${stop.next ? 17 : 12}px 'DejaVu Sans', 'Noto Sans', system-ui, sans-serif`;
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    pen.fillText(stop.word, x, y + 1);
  }

  // An arrow where the van drives, a ring where it stands; hollow where the position is old.
  #van([x, y], van, turn, ink) {
    const pen = this.pen;
    pen.save();
    pen.translate(x, y);
    pen.beginPath();
    if (van.heading === null) pen.arc(0, 0, 11, 0, 2 * Math.PI);
    else {
      pen.rotate(van.heading + turn);
      pen.moveTo(0, -19);
      pen.lineTo(13, 15);
      pen.lineTo(0, 8);
      pen.lineTo(-13, 15);
      pen.closePath();
    }
    pen.fillStyle = van.fresh ? ink.van : ink.paper;
    pen.fill();
    pen.lineWidth = van.fresh ? 3 : 4;
    pen.strokeStyle = van.fresh ? ink.on : ink.van;
    pen.stroke();
    pen.restore();
  }
}
