// Barcodes: a scanner that types (keyboard wedge), or the camera where the browser can read codes.
const TYPED_WITHIN_MS = 80; // a scanner types a character every 5 to 30 ms; a person's fingers need more than this
const SHORTEST = 4;
const LOOK_EVERY_MS = 250; // four looks a second find a code held still, and leave a Pi its breath

export function listenToWedge(onCode) {
  let typed = "";
  let lastAt = 0;
  addEventListener("keydown", (event) => {
    if (event.target instanceof HTMLInputElement || event.ctrlKey || event.altKey || event.metaKey) return;
    // When the key went down, not when a busy page came to hear of it: half a code is no code.
    if (event.timeStamp - lastAt > TYPED_WITHIN_MS) typed = "";
    lastAt = event.timeStamp;
    if (event.key === "Enter" && typed.length >= SHORTEST) {
      event.preventDefault(); // not a press of the button that has the focus
      onCode(typed);
      typed = "";
    } else if (event.key.length === 1) typed += event.key;
  }, true);
}

export const cameraReads = () => "BarcodeDetector" in window && Boolean(navigator.mediaDevices?.getUserMedia);

// Reads codes from the camera into `video` until the returned function is called. Each code is told once in a row.
export async function listenToCamera(video, onCode) {
  const stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
  video.srcObject = stream;
  await video.play();
  const detector = new BarcodeDetector();
  let last = "";
  const timer = setInterval(async () => {
    const found = await detector.detect(video).catch(() => []);
    const code = found[0]?.rawValue ?? "";
    if (code && code !== last) onCode(code);
    last = code || last;
  }, LOOK_EVERY_MS);
  return () => {
    clearInterval(timer);
    for (const track of stream.getTracks()) track.stop();
  };
}
