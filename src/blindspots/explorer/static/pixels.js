import { sharpen } from "./shot.js";

// Pictures come as base64 text inside events; the page's policy allows no data addresses, so they
// are decoded here.

const scratch = document.createElement("canvas");

const bytesOf = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));

/** A bitmap to draw. */
export const bitmap = (text) => createImageBitmap(new Blob([bytesOf(text)]));

/** An address of the picture that holds as long as the page. */
export const addressOf = (text) => URL.createObjectURL(new Blob([bytesOf(text)], { type: "image/png" }));

/** A picture to compute with: {width, height, data} of red, green, blue, opacity. */
export async function picture(text) {
  const image = await bitmap(text);
  scratch.width = image.width;
  scratch.height = image.height;
  const context = scratch.getContext("2d", { willReadFrequently: true });
  context.drawImage(image, 0, 0);
  image.close();
  return context.getImageData(0, 0, scratch.width, scratch.height);
}

/** Show a bitmap or a picture on a canvas, a pixel a pixel; CSS scales it. */
export function show(canvas, image) {
  if (canvas.width !== image.width || canvas.height !== image.height) {
    canvas.width = image.width;
    canvas.height = image.height;
  }
  sharpen(canvas, image.height);
  const context = canvas.getContext("2d");
  if (image instanceof ImageData) context.putImageData(image, 0, 0);
  else context.drawImage(image, 0, 0);
}

// Rounded once a pixel, as what the model is asked about; the report mixes on canvases, because it
// may not read the pixels of files.
/** Σ wᵢ cᵢ of pictures of one size. */
export function mix(pictures, weights) {
  const { width, height } = pictures[0];
  const out = new ImageData(width, height);
  const sources = pictures.map((one) => one.data);
  for (let k = 0; k < out.data.length; k++) {
    let sum = 0;
    for (let i = 0; i < sources.length; i++) sum += weights[i] * sources[i][k];
    out.data[k] = sum; // a clamped array rounds by itself
  }
  return out;
}

/** The change from a to b around middle grey, times gain. */
export function change(a, b, gain) {
  const out = new ImageData(a.width, a.height);
  for (let k = 0; k < out.data.length; k++) out.data[k] = k % 4 === 3 ? 255 : 127.5 + gain * (b.data[k] - a.data[k]);
  return out;
}

/** The inner product of a − o and b − o, a colour and pixel, in [0, 1] units. */
export function dot(a, b, o) {
  let sum = 0;
  for (let k = 0; k < o.data.length; k++) if (k % 4 !== 3) sum += (a.data[k] - o.data[k]) * (b.data[k] - o.data[k]);
  return sum / (255 * 255 * 0.75 * o.data.length);
}
