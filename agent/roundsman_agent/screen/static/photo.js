// A photo as small as it may be and still be read: at most 1,600 px, JPEG. The camera turns it upright, we only shrink it.
const LONGEST_PX = 1600; // a house number is readable; 200 to 400 kB, which a van's uplink carries in seconds
const QUALITY = 0.8;

export const toBlob = (canvas, type, quality) => new Promise((done) => canvas.toBlob(done, type, quality));

export async function shrink(file) {
  const picture = await createImageBitmap(file, { imageOrientation: "from-image" });
  const part = Math.min(1, LONGEST_PX / Math.max(picture.width, picture.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(picture.width * part));
  canvas.height = Math.max(1, Math.round(picture.height * part));
  canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
  picture.close();
  return toBlob(canvas, "image/jpeg", QUALITY);
}

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
