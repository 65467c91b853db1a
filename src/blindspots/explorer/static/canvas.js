/** The page's colour of that name, light or dark. */
export const tone = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

/** The context of a canvas whose unit is a CSS pixel, cleared, with its width and height. */
export function brush(canvas, width, height) {
  const dense = Math.min(devicePixelRatio || 1, 3);
  canvas.width = Math.round(width * dense);
  canvas.height = Math.round(height * dense);
  const context = canvas.getContext("2d");
  context.setTransform(dense, 0, 0, dense, 0, 0);
  context.font = '12px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif';
  return context;
}
