// Light or dark: whatever the page around is, notebook, app or file.

let onePixel = null;

/** Red, green, blue and alpha of a colour, each up to 255, however it is written: rgb, oklch, color-mix. */
function pixelOf(colour) {
  if (colour === "rgba(0, 0, 0, 0)") return [0, 0, 0, 0];
  const size = { width: 1, height: 1 };
  onePixel ??= Object.assign(document.createElement("canvas"), size).getContext("2d", { willReadFrequently: true });
  onePixel.clearRect(0, 0, 1, 1);
  onePixel.fillStyle = colour;
  onePixel.fillRect(0, 0, 1, 1);
  return onePixel.getImageData(0, 0, 1, 1).data;
}

/** Whether what is behind an element is dark: the first background that is not clear, else what the reader prefers. */
function isDark(element) {
  for (
    let at = element.parentElement ?? element.getRootNode().host;
    at;
    at = at.parentElement ?? at.getRootNode().host
  ) {
    const [red, green, blue, alpha] = pixelOf(getComputedStyle(at).backgroundColor);
    if (alpha > 127) return 0.299 * red + 0.587 * green + 0.114 * blue < 128;
  }
  const scheme = getComputedStyle(document.documentElement).colorScheme;
  return scheme.includes("dark") && (!scheme.includes("light") || matchMedia("(prefers-color-scheme: dark)").matches);
}

/** Keep an element's `data-theme` true while the page around changes; gives what ends it. */
function followTheme(element, onChange) {
  const look = () => {
    const theme = isDark(element) ? "dark" : "light";
    if (element.dataset.theme === theme) return;
    element.dataset.theme = theme;
    onChange();
  };
  // Notebooks say by attributes of the body or the root that their theme changed; its style sheet may come a moment later.
  const later = settled(250, look);
  const both = () => (look(), later());
  const observer = new MutationObserver(both);
  for (const at of [document.documentElement, document.body])
    observer.observe(at, {
      attributes: true,
      attributeFilter: ["class", "style", "data-jp-theme-light", "data-theme", "theme"],
    });
  const preference = matchMedia("(prefers-color-scheme: dark)");
  preference.addEventListener("change", both);
  // The element is not in the page yet when it is made.
  const frame = requestAnimationFrame(both);
  return () => {
    cancelAnimationFrame(frame);
    later.cancel();
    observer.disconnect();
    preference.removeEventListener("change", both);
  };
}
