// A canvas that is as sharp as its screen, and drawn at most once a frame.

/** What keeps a notebook from taking the arrow keys for its cells (Lumino, class CommandRegistry). */
const OWN_KEYS = { "data-lm-suppress-shortcuts": "true" };

/**
 * Make a canvas that fills its box.
 *
 * `draw(context, width, height)` is given lengths in CSS pixels. `redraw()` asks for a frame; `destroy()` ends all.
 */
function picture(className, draw) {
  const canvas = h("canvas", { class: className, "aria-hidden": "true" });
  let frame = null;
  let width = 0;
  let height = 0;
  const paint = () => {
    frame = null;
    if (!width || !height) return;
    const ratio = window.devicePixelRatio || 1;
    const [across, down] = [Math.round(width * ratio), Math.round(height * ratio)];
    if (canvas.width !== across || canvas.height !== down) [canvas.width, canvas.height] = [across, down];
    const context = canvas.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    draw(context, width, height);
  };
  const redraw = () => (frame ??= requestAnimationFrame(paint));
  const observer = new ResizeObserver(([entry]) => {
    ({ width, height } = entry.contentRect);
    redraw();
  });
  observer.observe(canvas);
  return {
    canvas,
    redraw,
    get size() {
      return [width, height];
    },
    destroy() {
      observer.disconnect();
      if (frame !== null) cancelAnimationFrame(frame);
    },
  };
}

/** Ink of an element, as its theme has it. */
const ink = (element, name = "--vzx-ink") => getComputedStyle(element).getPropertyValue(name).trim() || "#888";

const rgb = (colour, alpha = 1) => `rgba(${colour.join(",")},${alpha})`;
