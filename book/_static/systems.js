// Table II: buttons choose the speech, a list the rows.
addEventListener("load", () => {
  for (const block of document.querySelectorAll(".systems")) {
    const buttons = [...block.querySelectorAll(".choices button")], parts = [...block.querySelectorAll(".study")];
    const show = chosen => {
      parts.forEach((part, place) => { part.hidden = place !== chosen; });
      buttons.forEach((button, place) => button.setAttribute("aria-pressed", String(place === chosen)));
    };
    buttons.forEach((button, place) => button.addEventListener("click", () => show(place)));
    block.querySelector("select")?.addEventListener("change", event => {
      const group = event.target.value;
      for (const line of block.querySelectorAll("tbody tr")) line.hidden = Boolean(group) && line.dataset.group !== group;
    });
    show(0);
  }
});
