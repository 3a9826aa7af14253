// The buttons beside a block of code come in a landmark without a name, one for each block: they need none.
const release = () => {
  for (const buttons of document.querySelectorAll("nav.md-code__nav:not([role])")) buttons.setAttribute("role", "none");
  // A table that is wider than the page is scrolled with the keyboard, too.
  for (const table of document.querySelectorAll(".md-typeset__scrollwrap:not([tabindex])")) table.setAttribute("tabindex", "0");
};
new MutationObserver(release).observe(document.documentElement, { childList: true, subtree: true });
// So is a formula, where it is wider.
const reach = () => {
  for (const formula of document.querySelectorAll(".formula")) {
    if (formula.scrollWidth > formula.clientWidth) formula.setAttribute("tabindex", "0");
    else formula.removeAttribute("tabindex");
  }
};
addEventListener("load", reach);
addEventListener("resize", reach);
