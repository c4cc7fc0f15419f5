// Names and roles of the theme's elements that contradict what is seen (axe-core: label-content-name-mismatch,
// svg-img-alt, aria-required-children, summary-name, definition-list, scrollable-region-focusable). After loading,
// because the theme's own scripts set some of them, and again when its icons are drawn.
{
  const hideIcons = button => {
    for (const icon of button.querySelectorAll("svg:not([aria-hidden=true]), i[title]")) {
      icon.setAttribute("aria-hidden", "true");
      icon.removeAttribute("title");
      icon.removeAttribute("role");
      for (const title of icon.querySelectorAll("title")) title.remove();
    }
  };
  addEventListener("load", () => {
    for (const button of document.querySelectorAll(".search-button-field")) button.removeAttribute("aria-label");
    for (const list of document.querySelectorAll(".citation-list[role=list]")) list.removeAttribute("role");
    for (const fold of document.querySelectorAll("details.hide > summary")) fold.removeAttribute("aria-label");
    for (const fold of document.querySelectorAll(".bd-sidenav details > summary")) {
      fold.setAttribute("aria-label", `Pages below ${fold.closest("li").querySelector("a").textContent.trim()}`);
    }
    // what is wider than a phone scrolls, by keyboard too
    for (const formula of document.querySelectorAll("div.math")) formula.tabIndex = 0;
    // the lines of a long signature are no definitions
    for (const part of document.querySelectorAll("dt.sig > dl, dt.sig > dl > dd")) part.setAttribute("role", "none");
    for (const button of document.querySelectorAll(".theme-switch-button")) {
      hideIcons(button);
      new MutationObserver(() => hideIcons(button)).observe(button, {childList: true, subtree: true});
    }
  });
}
