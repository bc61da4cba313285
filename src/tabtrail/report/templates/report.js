(() => {
  const tip = document.getElementById("tip");
  const show = (event) => {
    const mark = event.target.closest ? event.target.closest("svg.chart rect, svg.chart circle, svg.chart g, svg.chart text") : null;
    if (!mark) { tip.hidden = true; return; }
    const title = mark.querySelector(":scope > title");
    if (title) { mark.dataset.text = title.textContent; title.remove(); }
    if (!mark.dataset.text) { tip.hidden = true; return; }
    tip.textContent = mark.dataset.text;
    tip.hidden = false;
    tip.style.left = Math.max(4, Math.min(event.clientX + 12, innerWidth - tip.offsetWidth - 8)) + "px";
    tip.style.top = Math.max(4, event.clientY - tip.offsetHeight - 10) + "px";
  };
  document.addEventListener("pointermove", show);
  document.addEventListener("pointerdown", show);
  addEventListener("scroll", () => { tip.hidden = true; }, { passive: true });
})();
