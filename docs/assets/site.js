// The buttons beside a block of code come in a landmark without a name, one for each block: they need none.
const release = () => {
  for (const buttons of document.querySelectorAll("nav.md-code__nav:not([role])")) buttons.setAttribute("role", "none");
};
new MutationObserver(release).observe(document.documentElement, { childList: true, subtree: true });
