// Elements, and numbers in words: what every view is made of.

/** Make an element. Functions are listeners, true is a bare attribute, null and false leave it out. */
function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value !== null && value !== undefined && value !== false)
      element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== ""));
  return element;
}

/** Make an element of markup that Python wrote and escaped. */
function ready(markup, className = "vzx-ready") {
  const element = h("div", { class: className });
  element.innerHTML = markup ?? "";
  return element;
}

let lastId = 0;
/** Give a name that no other element has. */
const uniqueId = (word) => `vzx-${word}-${++lastId}`;

const UNITS = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];

/** Say a size as Python says it: "401.8 MB". */
function bytesInWords(n) {
  let size = Number(n);
  for (const unit of UNITS) {
    if (Math.abs(size) < 999.95 || unit === "EB")
      return unit === "B" && Number.isInteger(size) ? `${size} B` : `${size.toFixed(1)} ${unit}`.replace(".0 ", " ");
    size /= 1000;
  }
}

/** Say a number of things: "1 chunk", "20,090 chunks". */
const count = (n, noun, plural = `${noun}s`) => `${n.toLocaleString("en")} ${n === 1 ? noun : plural}`;

function percent(fraction) {
  const value = 100 * fraction;
  if (value > 0 && value < 0.1) return "under 0.1 %";
  return `${value < 10 ? Number(value.toFixed(1)) : Math.round(value)} %`;
}

/** Say a range of chunks: "4" or "4–7". */
const span = ([start, stop]) => (stop - start === 1 ? `${start}` : `${start}–${stop - 1}`);

/** Wait until calls have stopped coming for a while. */
function settled(wait_ms, callback) {
  let timer = null;
  const later = (...given) => {
    clearTimeout(timer);
    timer = setTimeout(() => callback(...given), wait_ms);
  };
  later.cancel = () => clearTimeout(timer);
  return later;
}
