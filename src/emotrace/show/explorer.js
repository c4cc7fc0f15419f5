// The explorer: counts the letters of a row and a recogniser, and lists the utterances behind a cell.
document.querySelectorAll(".explorer:not(.ready)").forEach(page => {
  page.classList.add("ready");
  const {emotions, parts, first} = JSON.parse(page.querySelector("script[type='application/json']").textContent);
  const letters = Object.keys(emotions);
  const [partOf, rowOf, recogniserOf] = ["part", "row", "recogniser"]
    .map(name => page.querySelector(`select[name=${name}]`));
  const player = new Audio();
  let cell = null; // [meant, labelled]

  const make = (tag, text = "", options = {}) => Object.assign(document.createElement(tag), {textContent: text}, options);
  const part = () => parts[partOf.value];
  const row = () => part().rows.find(one => one.name === rowOf.value);
  const recording = () => part().rows[0];
  const labels = one => one.labels[recogniserOf.value];
  const interval = ([estimate, low, high] = []) => estimate == null ? "" :
    low == null ? `${estimate} %` : `${estimate} % [${low}, ${high}]`;

  const fill = (select, options, wanted) => {
    select.replaceChildren(...options.map(([value, text]) => make("option", text, {value})));
    if (options.some(([value]) => value === wanted)) select.value = wanted;
  };

  const places = (one, [meant, labelled]) => labels(one) ? part().utterances.flatMap(
    (utterance, place) => utterance.meant === meant && labels(one).letters[place] === labelled ? [place] : []) : [];

  const share = (one, [meant, labelled]) => {
    const all = letters.reduce((sum, other) => sum + places(one, [meant, other]).length, 0);
    return all ? 100 * places(one, [meant, labelled]).length / all : null;
  };

  const showMatrix = () => {
    const {rates} = labels(row()), name = part().recognisers[recogniserOf.value];
    page.querySelector(".title").textContent = `${row().name} by ${name}: UAR ${interval(rates.uar)}`;
    page.querySelector(".confusion tbody").replaceChildren(...letters.map(meant => {
      const line = make("tr");
      line.append(make("th", emotions[meant], {scope: "row"}), ...letters.map(labelled => {
        const data = make("td"), pair = [meant, labelled];
        const [own, before] = [row(), recording()].map(one => share(one, pair));
        const button = make("button", "", {type: "button"});
        const count = places(row(), pair).length;
        button.append(make("span", own?.toFixed(0), {ariaHidden: "true"}), make("span",
          `meant ${emotions[meant]}, labelled ${emotions[labelled]}: ${count} utterances, ${(own ?? 0).toFixed(0)} %; `
          + `of the recordings ${(before ?? 0).toFixed(0)} %`, {className: "unseen"}));
        button.title = meant === labelled ? `recall ${interval(rates[meant])}` : `${count} utterances`;
        button.setAttribute("aria-pressed", String(cell?.join() === pair.join()));
        if (before != null && row() !== recording()) button.append(make("small", before.toFixed(0), {ariaHidden: "true"}));
        button.addEventListener("click", () => choose(pair));
        data.style.setProperty("--share", (own ?? 0).toFixed(0));
        data.append(button);
        return data;
      }));
      return line;
    }));
  };

  // The same moment of the utterance, when the other version of it is played.
  const play = (address, place) => {
    const share = player.dataset.place === String(place) && player.duration ? player.currentTime / player.duration : 0;
    player.dataset.place = place;
    player.src = address;
    player.addEventListener("loadedmetadata", () => {
      if (share < 1) player.currentTime = share * player.duration;
      player.play().catch(() => {});
    }, {once: true});
  };

  const said = (one, name, place) => {
    const found = one.labels[name];
    if (!found || !(found.letters[place] in emotions)) return "";
    const sure = found.trainings > 1 ? ` (${found.agree[place]} of ${found.trainings})` : "";
    return emotions[found.letters[place]] + sure;
  };

  const showUtterances = () => {
    const found = places(row(), cell), playable = place => place in row().audio || place in recording().audio;
    found.sort((one, other) => playable(other) - playable(one));
    const names = Object.keys(part().recognisers).filter(name => row().labels[name]);
    const audible = found.some(playable), own = row() !== recording();
    const text = `${found.length} utterances meant ${emotions[cell[0]]} and labelled ${emotions[cell[1]]}.`;
    page.querySelector(".cell").textContent = text + (names.some(name => labels(row()).trainings > 1)
      ? " In brackets: how many trainings of the recogniser label the same." : "");
    const head = make("tr");
    head.append(...["speaker", "sentence", ...(own ? ["recording"] : []), ...names.map(name => part().recognisers[name]),
      ...(audible ? ["listen"] : [])].map(title => make("th", title)));
    page.querySelector(".utterances thead").replaceChildren(head);
    page.querySelector(".utterances tbody").replaceChildren(...found.map(place => {
      const line = make("tr"), utterance = part().utterances[place], buttons = make("td");
      for (const [one, title] of own ? [[recording(), "recording"], [row(), row().name]] : [[row(), "recording"]]) {
        if (!(place in one.audio)) continue;
        const button = make("button", `▶ ${title}`, {type: "button"});
        button.addEventListener("click", () => play(one.audio[place], place));
        buttons.append(button);
      }
      line.append(make("td", utterance.speaker),
        make("td", utterance.text.toLowerCase() || utterance.id, {title: utterance.id}),
        ...(own ? [make("td", said(recording(), recogniserOf.value, place))] : []),
        ...names.map(name => make("td", said(row(), name, place))), ...(audible ? [buttons] : []));
      return line;
    }));
  };

  const choose = pair => {
    cell = pair;
    const address = [part().title, row().name, recogniserOf.value, pair.join("-")].map(encodeURIComponent).join("/");
    history.replaceState(null, "", `#explore:${address}`);
    show();
  };
  const show = () => {
    showMatrix();
    showUtterances();
  };

  // The most frequent error, unless a cell is wanted.
  const worst = () => letters.flatMap(meant => letters.map(labelled => [meant, labelled]))
    .filter(([meant, labelled]) => meant !== labelled)
    .reduce((most, pair) => places(row(), pair).length > places(row(), most).length ? pair : most);
  const change = () => {
    const kept = [rowOf.value, recogniserOf.value];
    fill(rowOf, part().rows.map(one => [one.name, one.name]), kept[0] || first);
    fill(recogniserOf, Object.entries(part().recognisers).filter(([name]) => row().labels[name]), kept[1]);
    cell ??= worst();
    show();
  };

  fill(partOf, parts.map(({title}, place) => [String(place), title]));
  const wanted = decodeURIComponent(location.hash).match(/^#explore:(.*)\/([^/]*)\/([^/]*)\/(\w)-(\w)$/);
  if (wanted) {
    partOf.value = String(Math.max(0, parts.findIndex(({title}) => title === wanted[1])));
    fill(rowOf, [[wanted[2], ""]]);
    fill(recogniserOf, [[wanted[3], ""]]);
    if (wanted.slice(4).every(one => one in emotions)) cell = wanted.slice(4);
  }
  change();
  for (const select of [partOf, rowOf, recogniserOf]) select.addEventListener("change", change);
});
