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
 * Draws the weighted mean of pictures. Canvas alone: no pixel is read, so it is quick.
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
