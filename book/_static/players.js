// One player at a time: starting one pauses the others. A play event does not bubble, so it is caught on its way down.
addEventListener("play", event => {
  for (const player of document.querySelectorAll("audio")) if (player !== event.target) player.pause();
}, true);
