// The buttons beside a block of code come in a landmark without a name, one for each block: they need none.
const release = () => {
  for (const buttons of document.querySelectorAll("nav.md-code__nav:not([role])")) buttons.setAttribute("role", "none");
  // A table that is wider than the page is scrolled with the keyboard, too.
  for (const table of document.querySelectorAll(".md-typeset__scrollwrap:not([tabindex])")) table.setAttribute("tabindex", "0");
};
new MutationObserver(release).observe(document.documentElement, { childList: true, subtree: true });
