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
(() => {
  // The contents mark the section that is read: the last one whose heading has passed the upper third of the screen.
  const links = [...document.querySelectorAll("nav a")];
  const sections = links.map((link) => document.querySelector(link.getAttribute("href")));
  let current;
  const mark = () => {
    const passed = sections.filter((section) => section.getBoundingClientRect().top < innerHeight / 3);
    const now = links[Math.max(0, passed.length - 1)];
    if (now === current) return;
    current?.removeAttribute("aria-current");
    current = now;
    now.setAttribute("aria-current", "true");
    const bar = now.closest("nav");
    bar.scrollTo({ left: now.offsetLeft - 24, top: now.offsetTop - bar.clientHeight / 2 });
  };
  addEventListener("scroll", mark, { passive: true });
  mark();
})();
(() => {
  // MLflow shows an artifact as a sandboxed blob, where following a link to a part of the page is refused: it is brought up here.
  if (location.protocol !== "blob:" && location.protocol !== "about:") return;
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.('a[href^="#"]'), part = link && document.querySelector(link.getAttribute("href"));
    if (!part) return;
    event.preventDefault();
    part.scrollIntoView();
  });
})();
