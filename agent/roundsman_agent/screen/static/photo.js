// A photo as small as it may be and still be read: at most 1,600 px, JPEG. The camera turns it upright, we only shrink it.
const LONGEST_PX = 1600; // a house number is readable; 200 to 400 kB, which a van's uplink carries in seconds
const QUALITY = 0.8;

export const toBlob = (canvas, type, quality) => new Promise((done) => canvas.toBlob(done, type, quality));

export async function shrink(file) {
  const picture = await createImageBitmap(file, { imageOrientation: "from-image" });
  const small = await drawn(picture, picture.width, picture.height);
  picture.close();
  return small;
}

function drawn(picture, width, height) {
  const part = Math.min(1, LONGEST_PX / Math.max(width, height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(width * part));
  canvas.height = Math.max(1, Math.round(height * part));
  canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
  return toBlob(canvas, "image/jpeg", QUALITY);
}

// A camera of the display's own. Browsers let a page at it where it comes from the unit itself (localhost counts as a secure place), so a
// telephone that looks at the unit over the van's network has none here, and takes its picture by its own program. Known beforehand: a
// question in between would cost the tap that has to open a file.
let cameras = 0;
const count = async () => {
  const devices = await navigator.mediaDevices.enumerateDevices().catch(() => []);
  cameras = devices.filter((device) => device.kind === "videoinput").length;
};
if (navigator.mediaDevices?.getUserMedia) {
  navigator.mediaDevices.ondevicechange = count;
  count();
}
export const hasEye = () => cameras > 0;

// Shows what the camera sees in `video`, until the returned function is called.
export async function openEye(video) {
  const stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment", width: { ideal: 1920 }, height: { ideal: 1080 } } });
  video.srcObject = stream;
  await video.play();
  return () => stream.getTracks().forEach((track) => track.stop());
}

export const grab = (video) => drawn(video, video.videoWidth, video.videoHeight);

// The telephone's own camera by its own program; a unit with a camera but no such program shows the picture here.
export function takeByFile() {
  return new Promise((done) => {
    const input = document.createElement("input");
    input.type = "file";
    input.accept = "image/*";
    input.capture = "environment";
    input.hidden = true;
    input.id = "camera";
    document.querySelector("#camera")?.remove();
    document.body.append(input);
    input.onchange = () => done(input.files[0] ?? null);
    input.oncancel = () => done(null);
    input.click();
  });
}
