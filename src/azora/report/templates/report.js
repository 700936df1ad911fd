"use strict";
const D = JSON.parse(document.getElementById("data").textContent);
const at = id => document.getElementById(id);

/* Where most scores lie: a few trials that learned nothing would press all others into one line. */
function close() {
  const sorted = [...D.score].sort((a, b) => a - b);
  const part = q => sorted[Math.floor(q * (sorted.length - 1))], reach = 1.5 * (part(0.75) - part(0.25));
  const [least, most] = [sorted[0], sorted[sorted.length - 1]];
  const low = D.maximise ? Math.max(least, part(0.25) - reach) : least, high = D.maximise ? most : Math.min(most, part(0.75) + reach);
  const outside = sorted.filter(s => s < low || s > high).length, pad = 0.06 * (high - low);
  return outside && pad > 0 ? { range: [low - pad, high + pad], outside } : null;
}
const near = D.score.length > 7 ? close() : null;
const crowd = D.score.length > 300;
let whole = false;

function draw() {
  const css = getComputedStyle(document.documentElement), c = n => css.getPropertyValue(n).trim();
  const axis = t => ({ title: { text: t }, gridcolor: c("--line"), zerolinecolor: c("--line"), linecolor: c("--line"), automargin: true });
  const base = (x, y) => ({
    paper_bgcolor: "transparent", plot_bgcolor: "transparent", font: { color: c("--ink"), family: "system-ui, sans-serif", size: 12 },
    hoverlabel: { bgcolor: c("--card"), bordercolor: c("--quiet"), font: { color: c("--ink") } }, margin: { l: 8, r: 8, t: 8, b: 8 },
    xaxis: axis(x), yaxis: axis(y), legend: { orientation: "h", y: 1.02, yanchor: "bottom", x: 0 }, hovermode: "closest"
  });
  const options = { responsive: true, displayModeBar: false };
  const trials = {
    x: D.at, y: D.score, mode: "markers", name: "a trial", hovertemplate: "%{y:.4f} at %{x:.0f} s<br>%{text}<extra></extra>",
    text: D.keys.map((k, i) => k + (D.epochs[i] == null ? "" : ", " + D.epochs[i] + " epochs")),
    marker: { color: c("--quiet"), opacity: crowd ? 0.45 : 0.6, size: D.epochs.map(e => (crowd ? 2 : 5) + 2.5 * Math.log2(1 + (e || 1))) }
  };
  const best = { x: D.at, y: D.best, mode: "lines", name: "best so far", line: { color: c("--mark"), width: 2.5, shape: "hv" }, hovertemplate: "best %{y:.4f}<extra></extra>" };
  const layout = base("seconds of the search", "validation " + D.metric);
  layout.yaxis = near && !whole ? { ...layout.yaxis, range: near.range } : { ...layout.yaxis, autorange: true };
  if (D.lost.length) {
    layout.shapes = D.lost.map(x => ({ type: "line", x0: x, x1: x, yref: "paper", y0: 0, y1: 0.04, line: { color: c("--bad"), width: 2 } }));
  }
  const beside = D.beside.flatMap((b, i) => {
    const colour = c("--other-" + (1 + i % 3)), line = { color: colour, width: 1.5, dash: "dash", shape: "hv" };
    const edge = { x: b.at, mode: "lines", line: { width: 0, shape: "hv" }, showlegend: false, hoverinfo: "skip", legendgroup: b.name };
    return [
      { ...edge, y: b.high }, { ...edge, y: b.low, fill: "tonexty", fillcolor: colour + "33" },
      { x: b.at, y: b.middle, mode: "lines", name: b.name, line, legendgroup: b.name, hovertemplate: "%{y:.4f}<extra>" + b.name + "</extra>" }
    ];
  });
  Plotly.react("progress", [...beside, trials, best], { ...layout, showlegend: true }, options);
  if (at("versus")) {
    const line = (name, title, colour, dash) => ({
      x: D.versus[name].at, y: D.versus[name].best, mode: "lines", name: title,
      line: { color: colour, width: 2.5, shape: "hv", dash }, hovertemplate: "%{y:.4f}<extra>" + title + "</extra>"
    });
    const unit = D.versus.unit === "seconds" ? "seconds of searching" : "judgements";
    Plotly.react("versus", [
      line("random", "random search", c("--other-1"), "dash"), line("search", "the search", c("--mark"), "solid")
    ], { ...base(unit, "best " + D.versus.metric + " so far"), showlegend: true }, options);
  }
  if (at("shared")) {
    Plotly.react("shared", [
      { x: D.inherited, y: D.trained, mode: "markers", marker: { color: c("--mark"), opacity: 0.7, size: 8 }, hovertemplate: "%{x:.4f} by shared weights, %{y:.4f} trained<extra></extra>" }
    ], { ...base(D.metric + " by shared weights", D.metric + " trained"), showlegend: false }, options);
  }
  if (at("relaxed")) {
    const line = (y, name, colour, dash) => ({
      x: D.relaxed.epoch, y, mode: "lines+markers", name, line: { color: colour, width: 2.5, dash }, marker: { size: 6 },
      hovertemplate: "%{y:.4g} after epoch %{x}<extra>" + name + "</extra>"
    });
    Plotly.react("relaxed", [
      line(D.relaxed.mixture, "mixture", c("--mark"), "solid"), line(D.relaxed.derived, "what it favours", c("--other-1"), "dash"),
      line(D.relaxed.gap, "discretisation gap", c("--quiet"), "dot")
    ], { ...base("epochs of the mixture", D.metric), showlegend: true }, options);
    const right = { ...axis("dominant eigenvalue"), overlaying: "y", side: "right", showgrid: false };
    Plotly.react("signs", [
      line(D.relaxed.entropy, "entropy of the weights", c("--mark"), "solid"), line(D.relaxed.skips, "skips in a cell", c("--other-1"), "dash"),
      { ...line(D.relaxed.eigenvalue, "dominant eigenvalue", c("--other-2"), "dot"), yaxis: "y2" }
    ], { ...base("epochs of the mixture", "entropy, skips"), yaxis2: right, showlegend: true }, options);
  }
  if (at("curve")) {
    const line = { x: D.curve.seconds, mode: "lines", customdata: D.curve.epochs, hovertemplate: "%{y:.4f} in epoch %{customdata:.1f}<extra></extra>" };
    Plotly.react("curve", [
      { ...line, y: D.curve.loss, line: { color: c("--quiet"), width: 1 }, opacity: 0.55, name: "of a few batches" },
      { ...line, y: D.curve.smooth, line: { color: c("--mark"), width: 2.5 }, name: "smoothed" }
    ], { ...base("seconds of the last training", "training loss"), showlegend: true }, options);
  }
  if (at("residuals")) {
    const ends = [Math.min(...D.true, ...D.answer), Math.max(...D.true, ...D.answer)];
    Plotly.react("residuals", [
      { x: ends, y: ends, mode: "lines", line: { color: c("--quiet"), width: 1, dash: "dot" }, hoverinfo: "skip" },
      { x: D.true, y: D.answer, mode: "markers", marker: { color: c("--mark"), opacity: 0.6, size: D.true.length > 300 ? 4 : 6 }, hovertemplate: "true %{x:.4g}, answer %{y:.4g}<extra></extra>" }
    ], { ...base("true value", "answer"), showlegend: false }, options);
  }
}
draw();
const drawing = document.querySelector(".drawing");
drawing.scrollLeft = (drawing.scrollWidth - drawing.clientWidth) / 2;
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);

if (near) {
  const button = at("zoom"), outside = near.outside + (near.outside === 1 ? " trial is" : " trials are") + " outside the chart.";
  const say = () => { button.textContent = whole ? "Only where most are" : "Show all trials"; at("outside").textContent = whole ? "" : outside; };
  button.hidden = false;
  say();
  button.addEventListener("click", () => { whole = !whole; say(); draw(); });
}

const body = document.querySelector("#trials tbody"), heads = document.querySelectorAll("#trials th");
heads.forEach((th, i) => th.firstChild.addEventListener("click", () => {
  const down = th.getAttribute("aria-sort") === "descending" || (!th.classList.contains("n") && th.getAttribute("aria-sort") === "none");
  heads.forEach(other => other.setAttribute("aria-sort", "none"));
  th.setAttribute("aria-sort", down ? "ascending" : "descending");
  const number = th.classList.contains("n"), sign = down ? 1 : -1;
  const value = row => { const text = row.cells[i].textContent; return number ? parseFloat(text) : text; };
  // What has no value goes last, whichever way the others run.
  const order = (a, b) => number && isNaN(a) ? (isNaN(b) ? 0 : 1) : number && isNaN(b) ? -1 : sign * (a < b ? -1 : a > b ? 1 : 0);
  [...body.rows].sort((r, s) => order(value(r), value(s))).forEach(row => body.append(row));
}));
