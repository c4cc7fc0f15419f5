// The listening room: a click on a cell plays it; arrow keys go to the next row or emotion, on from the same moment of the
// sentence. A line runs over the picture; a click on the picture goes to that moment. The address of a cell plays it, where
// the browser lets it: after a click on this site.
{
  const STEPS = {ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0]};

  const furnish = room => {
    const grid = [...room.querySelectorAll("tbody tr")]
      .map(line => [...line.cells].slice(1).map(cell => cell.querySelector("a")));
    const takes = new Map([...room.querySelectorAll(".take")].map(take => [`#${take.id}`, take]));
    const player = link => takes.get(link.hash).querySelector("audio");
    let shown = null;

    const show = link => {
      if (shown) {
        player(shown).pause();
        shown.removeAttribute("aria-current");
      }
      for (const take of takes.values()) take.hidden = take !== takes.get(link.hash);
      link.setAttribute("aria-current", "true");
      shown = link;
    };

    // Within a part of a file that a server sends without ranges nothing can be sought, so a clip is fetched whole.
    const whole = async audio => {
      if (!location.protocol.startsWith("http") || audio.src.startsWith("blob:")) return;
      audio.src = URL.createObjectURL(await (await fetch(audio.src)).blob());
    };

    const play = async (link, share) => {
      const audio = player(link);
      show(link);
      await whole(audio).catch(() => {});
      const start = () => {
        if (shown !== link) return; // another was chosen while this one was loaded
        audio.currentTime = share * audio.duration;
        audio.play().catch(() => {}); // a browser may refuse; its player is there to press
      };
      if (audio.readyState > 0) start();
      else {
        audio.addEventListener("loadedmetadata", start, {once: true});
        audio.load();
      }
    };

    const next = (link, [down, right]) => {
      const row = grid.findIndex(line => line.includes(link)), column = grid[row].indexOf(link);
      for (let step = 1; step < grid.length; step++) {
        const found = grid[row + step * down]?.[column + step * right];
        if (found) return found;
      }
      return null;
    };

    for (const link of grid.flat().filter(Boolean)) {
      link.addEventListener("click", event => {
        event.preventDefault();
        play(link, 0);
      });
      link.addEventListener("keydown", event => {
        const to = event.key in STEPS ? next(link, STEPS[event.key]) : null;
        if (!to) return;
        event.preventDefault();
        const {currentTime, duration} = player(link);
        to.focus();
        play(to, link === shown && duration && currentTime < duration ? currentTime / duration : 0);
      });
    }

    for (const take of takes.values()) {
      const audio = take.querySelector("audio"), picture = take.querySelector(".picture");
      const frame = ["--left", "--width"].map(name => Number(getComputedStyle(picture).getPropertyValue(name)));
      const follow = () => {
        picture.style.setProperty("--at", audio.currentTime / take.dataset.seconds);
        if (!audio.paused) requestAnimationFrame(follow);
      };
      audio.addEventListener("play", follow);
      audio.addEventListener("seeked", follow);
      picture.addEventListener("click", event => {
        const share = (event.offsetX / picture.clientWidth - frame[0]) / frame[1];
        if (audio.readyState > 0) audio.currentTime = Math.max(0, share * take.dataset.seconds);
      });
    }

    const asked = grid.flat().find(link => link?.hash === location.hash);
    show(asked ?? grid.flat().find(Boolean));
    room.classList.add("ready");
    if (asked) {
      room.scrollIntoView(); // the take stood lower before the others were hidden
      asked.focus({preventScroll: true});
      play(asked, 0);
    }
  };

  addEventListener("load", () => document.querySelectorAll(".listening").forEach(furnish));
}
