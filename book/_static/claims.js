// Claims: a link to a claim opens it.
{
  const open = () => {
    const claim = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!(claim instanceof HTMLDetailsElement)) return;
    claim.open = true;
    claim.scrollIntoView();
  };
  addEventListener("hashchange", open);
  addEventListener("load", open);
}
