// What stands below "Everything else" on a page is folded, section by section. An address within opens its
// fold, and so does printing.
addEventListener("DOMContentLoaded", () => {
  const folds = [...document.querySelectorAll("#everything-else > section")].map(section => {
    const fold = document.createElement("details"), title = document.createElement("summary");
    fold.className = "fold";
    section.before(fold);
    title.append(section.querySelector(":scope > :is(h2, h3)"));
    fold.append(title, section);
    return fold;
  });
  const open = () => {
    const wanted = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    const fold = wanted?.closest("details.fold");
    if (!fold) return;
    fold.open = true;
    fold.scrollIntoView();
  };
  addEventListener("hashchange", open);
  addEventListener("beforeprint", () => folds.forEach(fold => { fold.open = true; }));
  open();
});
