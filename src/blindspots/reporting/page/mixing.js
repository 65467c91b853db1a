/** @typedef {Promise<HTMLImageElement|null>} Loading an image, or null where it cannot be had */

/**
 * Loads a picture.
 * @param {string|null|undefined} address
 * @returns {Loading}
 */
export function loaded(address) {
  if (!address) return Promise.resolve(null);
  return new Promise((done) => {
    const image = new Image();
    image.onload = () => done(image);
    image.onerror = () => done(null);
    image.src = address;
  });
}

/**
 * Draws the weighted mean of pictures. Canvas alone: no pixel is read, so files may be mixed too.
 * @param {HTMLCanvasElement} canvas takes the size of the first picture
 * @param {HTMLImageElement[]} images
 * @param {number[]} weights summing to 1
 */
export function mixInto(canvas, images, weights) {
  const pen = cleared(canvas, images[0].naturalWidth, images[0].naturalHeight);
  let sum = 0;
  images.forEach((image, k) => {
    sum += weights[k];
    if (weights[k] <= 0) return;
    // Painted over what lies below, weight / sum of all so far leaves every one its own weight.
    pen.globalAlpha = weights[k] / sum;
    pen.drawImage(image, 0, 0, canvas.width, canvas.height);
  });
  pen.globalAlpha = 1;
}

/**
 * Makes what is drawn `gain` times as bright; by doubling, which every browser can.
 * @param {HTMLCanvasElement} canvas
 * @param {number} gain
 */
export function amplify(canvas, gain) {
  const pen = canvas.getContext("2d");
  let done = 1;
  if (gain < 1) {
    pen.fillStyle = `rgba(0, 0, 0, ${1 - gain})`;
    pen.fillRect(0, 0, canvas.width, canvas.height);
    return;
  }
  pen.globalCompositeOperation = "lighter";
  for (; done * 2 <= gain; done *= 2) pen.drawImage(canvas, 0, 0);
  pen.globalCompositeOperation = "source-over";
}

/**
 * Draws a part of one picture and takes another from it: the absolute difference.
 * @param {HTMLCanvasElement} canvas
 * @param {(pen: CanvasRenderingContext2D) => void} draw the first
 * @param {(pen: CanvasRenderingContext2D) => void} other the second
 */
export function differenceInto(canvas, draw, other) {
  const pen = cleared(canvas, canvas.width, canvas.height);
  draw(pen);
  pen.globalCompositeOperation = "difference";
  other(pen);
  pen.globalCompositeOperation = "source-over";
}

/**
 * The canvas emptied, at this size.
 * @param {HTMLCanvasElement} canvas
 * @param {number} width
 * @param {number} height
 * @returns {CanvasRenderingContext2D}
 */
export function cleared(canvas, width, height) {
  canvas.width = width;
  canvas.height = height;
  const pen = canvas.getContext("2d");
  pen.imageSmoothingQuality = "high";
  return pen;
}
