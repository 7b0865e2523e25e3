// What shows that a parcel was handed over: a photo, a signature, a code. Pictures are on the unit's disk before they count.
import { make } from "./dom.js";
import { keep } from "./link.js";
import { announce, explain } from "./news.js";
import { say } from "./now.js";
import { grab, hasEye, openEye, shrink, takeByFile, toBlob } from "./photo.js";
import { close, named, show } from "./sheet.js";

const LINE_PX = 3.5;
const CODE_LENGTH = 12;

async function store(kind, blob, done, back) {
  const answer = await keep(kind, blob);
  if (answer.ok) done({ kind, sha256: answer.body.sha256 });
  else {
    announce(explain(answer), { bad: true });
    back();
  }
}

export const askPhoto = (done, back) => (hasEye() ? viewfinder(done, back) : fromFile(done, back));

// What the camera sees, live, and one large button; a picture that is there already is one tap away, and so is everything if it fails.
async function viewfinder(done, back) {
  const eye = make("video", { id: "finder", muted: true, playsinline: true, "aria-label": say("photo") });
  let stop = null;
  const end = () => stop?.();
  const shoot = async () => {
    if (!stop || !eye.videoWidth) return;
    const small = await grab(eye);
    end();
    look(small, done, back);
  };
  const file = named("fromFile", () => (end(), fromFile(done, back)));
  show({ title: say("photo"), content: [eye], tiles: [named("takePhoto", shoot, "go", "", { stays: true }), file], parked: true, back: () => (end(), back()) });
  try {
    stop = await openEye(eye);
    if (!eye.isConnected) end(); // gone before it saw
  } catch {
    if (eye.isConnected) announce(say("noCamera"), { bad: true });
  }
}

async function fromFile(done, back) {
  const file = await takeByFile();
  if (!file) return back();
  let small;
  try {
    small = await shrink(file);
  } catch {
    announce(say("notAPicture"), { bad: true });
    return back();
  }
  look(small, done, back);
}

function look(small, done, back) {
  const picture = make("img", { src: URL.createObjectURL(small), alt: say("photo") });
  const free = () => URL.revokeObjectURL(picture.src);
  const use = () => (free(), store("photo", small, done, back));
  const again = () => (free(), askPhoto(done, back));
  show({ title: say("photo"), content: [picture], tiles: [named("use", use, "go"), named("again", again)], parked: true, back: () => (free(), back()) });
}

export function askSignature(done, back) {
  const pad = make("canvas", { id: "pad", role: "img", "aria-label": say("signHere") });
  const finish = named("use", () => use(), "go", "", { stays: true });
  const clear = named("clear", () => wipe(), "", "", { stays: true });
  show({ title: say("signHere"), content: [pad], tiles: [finish, clear], parked: true, back });
  const scale = devicePixelRatio;
  const box = pad.getBoundingClientRect();
  pad.width = Math.round(box.width * scale);
  pad.height = Math.round(box.height * scale);
  const pen = pad.getContext("2d");
  pen.scale(scale, scale);
  let strokes = 0;
  let last = null;
  const wipe = () => {
    pen.fillStyle = "#fff"; // ink on paper, by day and by night: it is looked at elsewhere
    pen.fillRect(0, 0, box.width, box.height);
    strokes = 0;
  };
  const at = (event) => ({ x: event.offsetX, y: event.offsetY });
  pad.onpointerdown = (event) => {
    pad.setPointerCapture(event.pointerId);
    last = at(event);
    pen.strokeStyle = "#000";
    pen.lineWidth = LINE_PX;
    pen.lineCap = pen.lineJoin = "round";
  };
  pad.onpointermove = (event) => {
    if (!last) return;
    for (const step of event.getCoalescedEvents?.() ?? [event]) {
      const next = at(step);
      pen.beginPath();
      pen.moveTo(last.x, last.y);
      pen.lineTo(next.x, next.y);
      pen.stroke();
      last = next;
      strokes += 1;
    }
  };
  pad.onpointerup = pad.onpointercancel = () => (last = null);
  const use = async () => {
    if (strokes < 3) return announce(say("signHere"), { bad: true });
    const blob = await toBlob(pad, "image/png");
    close();
    await store("signature", blob, done, back);
  };
  wipe();
}

export function askCode(done, back) {
  const field = make("input", { id: "code", inputmode: "none", autocomplete: "off", maxlength: CODE_LENGTH, "aria-label": say("code") });
  const type = (digit) => (field.value = (field.value + digit).slice(0, CODE_LENGTH));
  const key = (word, then) => make("button", { type: "button", onclick: then }, word);
  const digits = [..."1234567890"].map((digit) => key(digit, () => type(digit)));
  const erase = make("button", { type: "button", class: "wide", onclick: () => (field.value = field.value.slice(0, -1)) }, say("erase"));
  const use = () => {
    const code = field.value.trim();
    if (!code) return field.focus();
    close();
    return done(code);
  };
  field.onkeydown = (event) => event.key === "Enter" && use();
  show({
    title: say("code"),
    content: [field, make("div", { class: "keys" }, ...digits, erase)],
    tiles: [named("use", use, "go", "", { stays: true })],
    parked: true,
    back,
  });
  field.focus({ preventScroll: true });
}
