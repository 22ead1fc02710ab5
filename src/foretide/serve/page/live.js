"use strict";

const STATES = { serving: ["S", "serving"], waking: ["S", "serving"], warm: ["W", "warm"],
  requested: ["B", "booting"], booting: ["B", "booting"], parking: ["L", "leaving"],
  draining: ["L", "leaving"] };
const POLL_MS = 1000;
const own = (id) => document.getElementById(id);
const count = (n) => n.toLocaleString("en");
const usd = (n) => "$" + (n < 0.995 ? n.toFixed(3) : n < 99.5 ? n.toFixed(2) : count(Math.round(n)));
const percent = (f) => (100 * f).toLocaleString("en", { maximumSignificantDigits: 2 }) + " %";
const rps = (n) => n.toLocaleString("en", { maximumSignificantDigits: 3 });
const short = (at) => at.slice(11, 16);
const last = (line) => line.values.length ? line.values[line.values.length - 1] : null;
let latest = null;

function say(id, text) {
  const there = own(id);
  if (there.textContent !== text) there.textContent = text;
}

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
}

function faint(name, opacity) {
  const hex = colour(name);
  const parts = [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
  return `rgba(${parts.join(",")},${opacity})`;
}

// Instants are shown in UTC, whatever the zone of whoever looks.
function trace(line, more) {
  const start = Date.parse(line.start);
  const x = line.values.map((_, at) =>
    new Date(start + 1000 * line.step_s * at).toISOString().slice(0, 19));
  return { type: "scatter", mode: "lines", x, y: line.values, hoverlabel: { namelength: -1 },
    ...more };
}

function layout(shown, unit, from) {
  const axis = { gridcolor: colour("line"), linecolor: colour("line"), zeroline: false,
    automargin: true };
  return {
    margin: { l: 44, r: 8, t: 8, b: 28 }, paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)", hovermode: "x unified", showlegend: true,
    hoverlabel: { bgcolor: colour("paper"), font: { color: colour("ink") } },
    font: { family: "system-ui, sans-serif", size: 13, color: colour("ink") },
    legend: { orientation: "h", x: 0, y: 1, yanchor: "bottom", traceorder: "normal" },
    xaxis: { ...axis, type: "date", range: [from, shown.end.slice(0, 19)], tickformat: "%H:%M",
      nticks: 7 },
    yaxis: { ...axis, rangemode: "tozero", title: { text: unit, standoff: 6 } },
    uirevision: "as the reader left it",
  };
}

function draw(id, traces, picture) {
  return Plotly.react(id, traces, picture, { displayModeBar: false, responsive: true });
}

function band(range, name, opacity) {
  // A fill between two lines with gaps is drawn astray: a minute that was skipped is bridged.
  const edge = { line: { width: 0 }, hoverinfo: "skip", connectgaps: true };
  return [
    trace(range.low, { ...edge, showlegend: false }),
    trace(range.high, { ...edge, fill: "tonexty", fillcolor: faint("band", opacity), name }),
  ];
}

function drawDemand(shown) {
  const style = { color: colour("ink"), width: 1.6 };
  const expected = { color: colour("warm"), width: 1.6, dash: "dot" };
  const begin = { color: colour("soft"), width: 1, dash: "dash" };
  const picture = layout(shown, "requests/s", shown.demand.start.slice(0, 19));
  picture.shapes = [{ type: "line", xref: "x", x0: shown.at.slice(0, 19), x1: shown.at.slice(0, 19),
    yref: "paper", y0: 0, y1: 1, line: { color: colour("soft"), width: 1 } }];
  draw("demand-plot", [
    ...band(shown.said, "expected 5 min before, 9 of 10", 0.18),
    ...band(shown.next, "expected next", 0.34),
    trace(shown.outline, { line: begin, name: "expected at the start" }),
    trace(shown.next.median, { line: expected, name: "median of next" }),
    trace(shown.demand, { line: style, name: "demand" }),
  ], picture);
  const now = shown.demand_rps;
  const ahead = last(shown.next.median);
  say("demand-text", now === null ? "No minute has been counted yet." :
    `At ${short(shown.at)} demand is ${rps(now)} requests/s` + (ahead === null ? "." :
      `; in ${shown.next.median.values.length} minutes ${rps(ahead)} are expected, nine times in ` +
      `ten between ${rps(last(shown.next.low))} and ${rps(last(shown.next.high))}.`));
}

function drawFleet(shown) {
  const area = (name, title) => trace(shown.fleet[name], { name: title, stackgroup: "fleet",
    line: { width: 0.8, color: colour(name), shape: "hv" }, fillcolor: faint(name, 0.55) });
  draw("fleet-plot", [
    area("serving", "serving"), area("leaving", "parking or draining"), area("warm", "warm"),
    area("booting", "booting"),
    trace(shown.fleet.needed, { name: "filled by demand",
      line: { color: colour("ink"), width: 1.4 } }),
    trace(shown.fleet.rival, { name: "HPA serving (calculated)",
      line: { color: colour("rival"), width: 1.8, dash: "dash", shape: "hv" } }),
  ], layout(shown, "instances", shown.start.slice(0, 19)));
  const tell = (name) => last(shown.fleet[name]) ?? 0;
  say("fleet-text", `Foretide has ${tell("serving")} instances serving, ${tell("warm")} warm and ` +
    `${tell("booting")} booting; the HPA would have ${tell("rival")} serving. ` +
    `Demand fills ${rps(tell("needed"))}.`);
}

function drawAnswers(shown) {
  const bars = (line, name, tint) => ({ ...trace(line, {}), type: "bar", name,
    marker: { color: colour(tint) } });
  const picture = layout(shown, "requests", shown.start.slice(0, 19));
  draw("answers-plot", [bars(shown.served, "served", "serving"),
    bars(shown.failed, "failed", "alarm")], { ...picture, barmode: "stack", bargap: 0 });
  say("answers-text", `${count(shown.served_count)} requests were served and ` +
    `${count(shown.refused_count + shown.broken_count)} failed.`);
}

function tellFigures(shown) {
  const failed = shown.refused_count + shown.broken_count;
  say("served", count(shown.served_count));
  say("sent", `of ${count(shown.sent_count)} sent`);
  say("failed", count(failed));
  own("failed").classList.toggle("bad", failed > 0);
  say("kinds", `${count(shown.refused_count)} refused as full, ${count(shown.broken_count)} lost`);
  say("demand", shown.demand_rps === null ? "–" : rps(shown.demand_rps));
  const tally = { S: 0, W: 0, B: 0, L: 0 };
  for (const cell of shown.cells) tally[STATES[cell.state][0]] += 1;
  say("fleet", `${tally.S} + ${tally.W}`);
  say("planned", `serving + warm; planned ${shown.planned_serving_count} + ` +
    `${shown.planned_warm_count}`);
  for (const [at, name] of [[0, "own"], [1, "rival"]]) {
    const one = shown.standings[at];
    say(name + "-cost", one ? usd(one.cost_usd) : "–");
    say(name + "-failed", one ? `${percent(one.failed_fraction)} of requests failed` : "–");
  }
}

function tellCells(shown) {
  const row = own("cells");
  while (row.children.length > shown.cells.length) row.lastElementChild.remove();
  shown.cells.forEach((cell, at) => {
    const [letter, kind] = STATES[cell.state];
    const there = row.children[at] ?? row.appendChild(document.createElement("li"));
    there.className = "cell " + kind;
    there.title = `${cell.name}: ${cell.state}`;
    if (there.textContent !== letter) there.textContent = letter;
  });
}

function tellRows(id, rows) {
  const key = JSON.stringify(rows);
  const body = own(id);
  if (body.dataset.key === key) return;
  body.dataset.key = key;
  body.replaceChildren(...rows.map((cells) => {
    const row = document.createElement("tr");
    row.append(...cells.map((text) => {
      const cell = document.createElement("td");
      cell.textContent = text;
      return cell;
    }));
    return row;
  }));
}

function tellTables(shown) {
  const seconds = (value) => value === null ? "–" :
    value < 0.1 ? (1000 * value).toPrecision(2) + " ms" : value.toPrecision(3) + " s";
  tellRows("deeds", shown.deeds.map((deed) => [short(deed.at), deed.done, deed.why]));
  tellRows("leads", shown.leads.map((lead) =>
    [lead.name, seconds(lead.p50_s), seconds(lead.p90_s), count(lead.count)]));
  const notes = own("notes");
  if (notes.children.length !== shown.notes.length) {
    notes.replaceChildren(...shown.notes.map((note) => {
      const item = document.createElement("li");
      item.textContent = note;
      return item;
    }));
  }
}

function show(shown) {
  latest = shown;
  const from = Date.parse(shown.start);
  const done = (Date.parse(shown.at) - from) / (Date.parse(shown.end) - from);
  const played = Math.round(100 * Math.min(Math.max(done, 0), 1));
  say("title", shown.title);
  say("about", shown.about);
  say("clock", `${shown.at.slice(0, 10)} ${short(shown.at)} UTC`);
  say("state", shown.is_over ? "played to its end" : `${played} % played`);
  own("progress").setAttribute("aria-valuenow", played);
  own("progress").firstElementChild.style.width = `${played}%`;
  say("reason", shown.reason);
  tellFigures(shown);
  tellCells(shown);
  tellTables(shown);
  drawDemand(shown);
  drawFleet(shown);
  drawAnswers(shown);
}

async function poll() {
  let isOver = false;
  try {
    if (!document.hidden || latest === null) {
      const answer = await fetch("/state.json", { cache: "no-store" });
      if (answer.status === 200) {
        const shown = await answer.json();
        isOver = shown.is_over;
        show(shown);
      } else {
        say("state", "about to begin …");
      }
    }
  } catch {
    say("state", latest === null ? "nobody answers" : "has ended; this is the last it told");
  }
  if (!isOver) setTimeout(poll, POLL_MS);
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  if (latest !== null) show(latest);
});
const kept = document.getElementById("kept");
if (kept === null) poll();
else show(JSON.parse(kept.textContent));
