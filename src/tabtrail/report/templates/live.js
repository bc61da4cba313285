/* Charts with numbers on both axes, drawn live: point or use the arrow keys to read a value, drag to enlarge a part, hide a
   layer by its key. The drawing that the page came with stays for paper, and for readers without this script. */
(() => {
  const root = document.documentElement, tip = document.getElementById("tip");
  const ink = (name) => getComputedStyle(root).getPropertyValue(`--${name}`).trim();
  const SHADES = 5, NEAR = 28; // NEAR: pixels within which a dot is meant
  const BAND = 0.2;
  const known = (value) => value !== null && value !== undefined;

  const figure = (value) => value.toLocaleString("en-US",
    Math.abs(value) >= 1000 ? { maximumFractionDigits: 0 } : { maximumSignificantDigits: 4 });
  const tick = (value, largest) => {
    for (const [least, size, letter] of [[1e9, 1e9, "B"], [1e6, 1e6, "M"], [1e5, 1e3, "k"]])
      if (largest >= least && value) return (value / size).toLocaleString("en-US", { maximumSignificantDigits: 4 }) + letter;
    return value.toLocaleString("en-US", { maximumSignificantDigits: 6 });
  };
  const place = (axis, value) => axis.dates ? new Date(value * 1000).toISOString().slice(0, 10) : figure(value);

  const colour = (layer) => layer.colour === null ? ink("faint") : ink(`k${layer.colour % 4}`);

  const path = (u, xs, ys, context) => {
    let open = false;
    xs.forEach((x, at) => {
      if (!known(ys[at])) { open = false; return; }
      context[open ? "lineTo" : "moveTo"](u.valToPos(x, "x", true), u.valToPos(ys[at], "y", true));
      open = true;
    });
  };
  const dot = (u, x, y, size, context) => {
    context.beginPath();
    context.arc(u.valToPos(x, "x", true), u.valToPos(y, "y", true), size, 0, 7);
    context.fill();
  };
  const drawers = {
    points(u, layer, context, px) {
      context.globalAlpha = layer.texts ? 0.95 : 0.65;
      layer.x.forEach((x, at) => {
        if (layer.shade) context.fillStyle = ink(`s${Math.min(Math.floor(layer.shade[at] * SHADES), SHADES - 1)}`);
        if (known(layer.y[at])) dot(u, x, layer.y[at], (layer.texts ? 4.5 : 2) * px, context);
      });
    },
    line(u, layer, context, px) {
      context.globalAlpha = layer.faint ? 0.45 : 1;
      context.lineWidth = (layer.faint ? 1 : 2) * px;
      context.setLineDash(layer.dashed ? [6 * px, 4 * px] : []);
      context.beginPath();
      path(u, layer.x, layer.y, context);
      context.stroke();
      layer.x.forEach((x, at) => {
        const alone = !layer.faint && !known(layer.y[at - 1]) && !known(layer.y[at + 1]);
        if (known(layer.y[at]) && (layer.dots || alone)) dot(u, x, layer.y[at], 2 * px, context);
      });
    },
    band(u, layer, context) {
      context.globalAlpha = BAND;
      context.beginPath();
      path(u, [...layer.x, ...[...layer.x].reverse()], [...layer.high, ...[...layer.low].reverse()], context);
      context.fill();
    },
    columns(u, layer, context, px) {
      context.globalAlpha = layer.colour === null ? 0.45 : 1;
      layer.y.forEach((height, at) => {
        const [left, right] = [layer.x[at], layer.x[at + 1]].map((x) => u.valToPos(x, "x", true));
        const [top, foot] = [Math.max(height, 0), Math.min(height, 0)].map((y) => u.valToPos(y, "y", true));
        context.fillRect(left, top, Math.max(right - left - 0.6 * px, px), foot - top);
      });
    },
  };

  // Where a reader may stop: each dot of a cloud, or each place along x with what all layers say there.
  const stops = (chart) => {
    const shown = chart.layers.filter((layer) => !layer.hidden && !layer.faint);
    const dots = shown.filter((layer) => layer.kind === "points");
    if (dots.length) return dots.flatMap((layer) => layer.x.map((x, at) => ({ x, y: layer.y[at],
      text: layer.texts?.[at] ?? [layer.label, `${chart.x.label}: ${place(chart.x, x)}`, `${chart.y.label}: ${figure(layer.y[at])}`]
        .filter(Boolean).join("\n") })));
    const places = new Map();
    for (const layer of shown) {
      const count = layer.kind === "columns" ? layer.y.length : layer.x.length;
      for (let at = 0; at < count; at++) {
        const value = layer.kind === "band" ? layer.high[at] : layer.y[at];
        if (!known(value)) continue;
        const x = layer.kind === "columns" ? (layer.x[at] + layer.x[at + 1]) / 2 : layer.x[at];
        const name = layer.label ? `${layer.label}: ` : "";
        const said = layer.texts?.[at] ?? name + (layer.kind === "band" ? `${figure(layer.low[at])} to ${figure(value)}` : figure(value));
        const found = places.get(x) ?? { x, y: value, said: [], headed: true };
        found.said.push(said);
        if (layer.kind === "line") found.y = value;
        if (layer.kind === "columns" && layer.texts) found.headed = false;
        places.set(x, found);
      }
    }
    return [...places.values()].map((each) => ({ ...each, along: true,
      text: [...(each.headed ? [`${chart.x.label}: ${place(chart.x, each.x)}`] : []), ...new Set(each.said)].join("\n") }));
  };
  const nearest = (u, chart) => {
    const { left, top } = u.cursor;
    let best = null, least = Infinity;
    for (const each of chart.stops) {
      const across = u.valToPos(each.x, "x") - left;
      const far = each.along ? Math.abs(across) : Math.hypot(across, u.valToPos(each.y, "y") - top);
      if (far < least) [best, least] = [each, far];
    }
    return best && (best.along || least <= NEAR) ? best : null;
  };
  const tell = (u, chart, stop) => {
    chart.mark.hidden = tip.hidden = !stop;
    if (!stop) return;
    const left = u.valToPos(stop.x, "x"), top = u.valToPos(stop.y, "y"), box = u.over.getBoundingClientRect();
    chart.mark.style.transform = `translate(${left}px, ${top}px)`;
    tip.textContent = stop.text;
    tip.style.left = Math.max(4, Math.min(box.left + left + 14, innerWidth - tip.offsetWidth - 8)) + "px";
    tip.style.top = Math.max(4, box.top + top - tip.offsetHeight - 12) + "px";
  };

  const years = (own) => own.whole && own.span[0] >= 1799 && own.span[1] <= 2201; // as figures.py has it

  const axis = (own, side) => ({
    side: side === "x" ? 2 : 3,
    stroke: () => ink("muted"), font: "12px system-ui, sans-serif",
    label: own.label, labelFont: "12px system-ui, sans-serif", labelSize: 20, labelGap: 0,
    gap: 8, grid: { stroke: () => ink("grid"), width: 1 }, ticks: { show: false },
    space: side === "x" ? 70 : 40, size: side === "x" ? (own.dates ? 44 : 30) : (u, values) => 14 + 7 * Math.max(1, ...(values ?? []).map((each) => each.length)),
    ...(own.whole ? { incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 1e6, 1e7, 1e8, 1e9] } : {}),
    values: own.dates ? [[31536000, "{YYYY}", null, null, null, null, null, null, 1],
      [2419200, "{MMM}", "\n{YYYY}", null, null, null, null, null, 1], [86400, "{D} {MMM}", "\n{YYYY}", null, null, null, null, null, 1]]
      : (u, splits) => splits.map((each) => years(own) ? String(each) : tick(each, Math.max(...splits.map(Math.abs)))),
  });
  const height = (width, panel) => Math.round(Math.min(panel.closest("figure.wide, figure.two") ? 340 : 400, Math.max(240, 0.62 * width)));

  const start = (panel) => {
    const chart = JSON.parse(panel.dataset.chart), drawing = panel.querySelector("svg.chart");
    const [title, words] = [drawing.querySelector("title"), drawing.querySelector("desc")].map((each) => each.textContent);
    const reset = () => chart.u.batch(() => ["x", "y"].forEach((each) => chart.u.setScale(each, { min: chart[each].span[0], max: chart[each].span[1] })));
    chart.stops = stops(chart);
    panel.classList.add("live");
    const width = panel.clientWidth;
    const scale = (own) => ({ time: own.dates, auto: false, min: own.span[0], max: own.span[1], range: (u, low, high) => [low, high] });
    const u = chart.u = new uPlot({
      width, height: height(width, panel), scales: { x: scale(chart.x), y: scale(chart.y) },
      axes: [axis(chart.x, "x"), axis(chart.y, "y")], series: [{}, { points: { show: false }, paths: () => null }],
      legend: { show: false }, tzDate: (time) => uPlot.tzDate(new Date(time * 1000), "Etc/UTC"),
      cursor: { drag: { x: true, y: true, uni: 24, dist: 6 }, points: { show: false }, y: false,
        bind: { dblclick: () => () => { reset(); return null; } } },
      hooks: {
        draw: [(u) => {
          const context = u.ctx, { left, top, width, height } = u.bbox;
          context.save();
          context.beginPath();
          context.rect(left, top, width, height);
          context.clip();
          for (const layer of chart.layers) {
            if (layer.hidden) continue;
            context.fillStyle = context.strokeStyle = colour(layer);
            context.setLineDash([]);
            drawers[layer.kind](u, layer, context, devicePixelRatio);
          }
          context.restore();
        }],
        setCursor: [(u) => { if (u.cursor.left >= 0) tell(u, chart, nearest(u, chart)); }],
        setScale: [(u) => {
          if (!chart.back) return;
          chart.back.hidden = ["x", "y"].every((each) => u.scales[each].min === chart[each].span[0] && u.scales[each].max === chart[each].span[1]);
        }],
      },
    }, [chart.x.span, [null, null]], panel);
    panel.insertBefore(u.root, drawing);
    chart.mark = Object.assign(document.createElement("div"), { className: "mark", hidden: true });
    u.over.append(chart.mark);
    u.over.addEventListener("mouseleave", () => tell(u, chart, null));
    chart.back = Object.assign(document.createElement("button"), { type: "button", className: "back", hidden: true, textContent: "Show all" });
    chart.back.addEventListener("click", reset);
    panel.append(chart.back);
    u.root.tabIndex = 0;
    u.root.setAttribute("role", "img");
    u.root.setAttribute("aria-label", `${title}. ${words} Arrow keys read its values.`);
    keys(u, chart);
    legend(u, chart, panel);
    new ResizeObserver(() => { const now = panel.clientWidth; if (now && Math.abs(now - u.width) > 1) u.setSize({ width: now, height: height(now, panel) }); }).observe(panel);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => u.redraw());
  };
  const keys = (u, chart) => {
    let at = -1;
    u.root.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (event.key === "Escape") { chart.back.click(); tell(u, chart, null); at = -1; }
      if (!step) return;
      const ordered = [...chart.stops].sort((one, other) => one.x - other.x || one.y - other.y);
      at = Math.max(0, Math.min(ordered.length - 1, at + step));
      tell(u, chart, ordered[at]);
      event.preventDefault();
    });
    u.root.addEventListener("blur", () => tell(u, chart, null));
  };
  const legend = (u, chart, panel) => {
    const labelled = chart.layers.filter((layer) => layer.label);
    panel.querySelectorAll(".legend li").forEach((item, at) => {
      const button = Object.assign(document.createElement("button"), { type: "button" });
      button.append(...item.childNodes);
      item.append(button);
      button.setAttribute("aria-pressed", "true");
      button.addEventListener("click", () => {
        const layer = labelled[at];
        layer.hidden = !layer.hidden;
        button.setAttribute("aria-pressed", String(!layer.hidden));
        chart.stops = stops(chart);
        u.redraw();
      });
    });
  };

  // A chart is drawn when it comes near the screen.
  const soon = new IntersectionObserver((seen) => seen.filter((each) => each.isIntersecting).forEach((each) => {
    soon.unobserve(each.target);
    start(each.target);
  }), { rootMargin: "600px" });
  const panels = document.querySelectorAll("[data-chart]");
  panels.forEach((panel) => soon.observe(panel));
  document.querySelectorAll(".live-note").forEach((each) => { each.hidden = !panels.length; });
})();
