// Make up for what the theme's scripts leave out for keyboards and screen readers.

function mend() {
  for (const [number, nav] of document.querySelectorAll(".md-code__nav").entries()) {
    nav.setAttribute("aria-label", `Code block ${number + 1}`);
  }
  for (const box of document.querySelectorAll(".md-typeset__scrollwrap, .vz-output")) {
    box.toggleAttribute("tabindex", false);
    if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
  }
}

addEventListener("resize", mend);
new MutationObserver(mend).observe(document.body, { childList: true, subtree: true });
mend();
