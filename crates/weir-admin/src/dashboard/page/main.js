// The page: takes what the admin listener says each second and shows it.

import { perform } from "./actions.js";
import { events, keepToken, read } from "./api.js";
import { byId, element, show } from "./element.js";
import { findings, sentence } from "./findings.js";
import { age, duration, plural, rate } from "./format.js";
import { History } from "./history.js";
import { drawMap } from "./map.js";
import { model, site } from "./model.js";
import { plot } from "./plot.js";
import { drawQueues } from "./queues.js";
import { drawServers, tell } from "./servers.js";
import { drawCertificates, drawFailures } from "./tables.js";

const AGAIN_MS = 2000;
// Routes that are asked for: more than a map can show.
const ROUTES_MAX = 500;
const LEGEND = [["l2", "2xx"], ["l3", "3xx"], ["l4", "4xx"], ["l5", "5xx"]];

const history = new History();
let services = [];
let queues = [];
let loaded;
let latest;

async function follow() {
  for (;;) {
    try {
      for await (const event of events("api/v1/events")) {
        if (event.name === "history") history.recall(event.data.bounds_seconds, event.data.moments);
        else if (event.name === "status") await take(event.data);
      }
      away("It has closed the connection.");
    } catch (error) {
      if (error.status === 401) await askToken();
      else away(error.message);
    }
    await new Promise((done) => setTimeout(done, AGAIN_MS));
  }
}

async function take(said) {
  latest = model(said);
  if (latest.configuration.loaded_seconds !== loaded || services.length === 0) {
    services = site(await read(`api/v1/routes?max=${ROUTES_MAX}`));
    loaded = latest.configuration.loaded_seconds;
    showConfiguration();
  }
  if (latest.queues.length > 0) queues = (await read("api/v1/queues")).queues;
  history.take(latest);
  draw();
}

function draw() {
  const now = latest;
  showState(now);
  byId("sentence").textContent = sentence(now, history);
  const found = findings(now, history);
  show(byId("findings"), found.length === 0
    ? element("li", { class: "good" }, element("b", {}, "✓"), "Nothing is wrong.")
    : found.map((one) => element("li", { class: one.kind }, element("b", {}, one.kind === "bad" ? "✕" : "!"), one.text)));
  drawPlots();
  drawMap(byId("map"), services, now, history);
  show(byId("servers"), drawServers(now, history));
  byId("queues-section").hidden = now.queues.length === 0;
  show(byId("queues"), drawQueues(queues));
  show(byId("failures"), drawFailures(now));
  byId("certificates-section").hidden = now.certificates.length === 0;
  show(byId("certificates"), drawCertificates(now));
  byId("configuration-state").textContent = configurationState(now);
}

function showState(now) {
  const state = byId("state");
  state.textContent = now.ready ? "ready" : "draining";
  state.className = `pill ${now.ready ? "good" : "warn"}`;
  byId("drain").disabled = !now.ready;
  byId("identity").textContent = `${now.version} · up ${age(now.uptime)} · ${now.workers} worker${now.workers === 1 ? "" : "s"} · ${now.listeners.join(", ")}`;
  document.title = now.ready ? "Weir" : "Weir (draining)";
}

function away(why) {
  const state = byId("state");
  state.textContent = "not reached";
  state.className = "pill bad";
  show(byId("findings"), element("li", { class: "bad" }, element("b", {}, "✕"), `The admin listener does not answer; what follows is old. ${why}`));
}

function drawPlots() {
  const moments = history.moments;
  const times = moments.map((moment) => moment.at);
  const last = moments.at(-1);
  const by = (at) => moments.map((moment) => moment.classes[at]);
  const head = (id, text) => { byId(id).querySelector("figcaption b").textContent = text; };
  plot(byId("plot-requests"), times, ["s2", "s3", "s4", "s5"].map((kind, at) => ({ kind, values: by(at) })),
    { stacked: true, label: rate, title: "Requests a second by class of the status" });
  head("plot-requests", last ? rate(last.classes.reduce((a, b) => a + b, 0)) : "");
  plot(byId("plot-failures"), times, [{ kind: "s5", values: moments.map((moment) => moment.failed) }],
    { stacked: true, label: rate, title: "Failed requests a second" });
  head("plot-failures", last ? rate(last.failed) : "");
  plot(byId("plot-latency"), times, [{ kind: "s3", values: finite(moments.map((moment) => moment.p50)) }, { kind: "s4", values: finite(moments.map((moment) => moment.p99)) }],
    { stacked: false, label: duration, title: "Latency: half of all requests, and 99 %" });
  head("plot-latency", last && last.p50 !== null ? `p50 ${duration(last.p50)} · p99 ${duration(last.p99)}` : "");
}

// What is above all buckets is drawn at the bound of the last one.
const finite = (values) => values.map((value) => (value === Infinity ? 10 : value));

function legends() {
  const legend = (id, entries) => byId(id).append(element("div", { class: "legend" }, entries.map(([kind, name]) => element("span", { class: kind }, name))));
  legend("plot-requests", LEGEND);
  legend("plot-failures", [["l5", "5xx, and connections cut before an answer"]]);
  legend("plot-latency", [["l3", "p50"], ["l4", "p99"]]);
}

function configurationState(now) {
  const { loaded_seconds: at, reloads_done: done, reloads_refused: refused } = now.configuration;
  return [`in force for ${age(now.at - at)}`, plural(done, "reload", "reloads"), refused > 0 && `${refused} refused`].filter(Boolean).join(" · ");
}

async function showConfiguration() {
  const place = byId("configuration");
  if (place.open) place.querySelector("pre").textContent = JSON.stringify(await read("api/v1/configuration"), null, 2);
}

function askToken() {
  const dialog = byId("token");
  return new Promise((done) => {
    dialog.addEventListener("close", () => {
      keepToken(dialog.querySelector("input").value);
      done();
    }, { once: true });
    dialog.showModal();
  });
}

legends();
byId("configuration").addEventListener("toggle", showConfiguration);
// Toggling does not bubble, so it is caught on its way down.
byId("servers").addEventListener("toggle", async (event) => {
  if (event.target.open && event.target.dataset.server) await tell(event.target.dataset).then(draw, () => {});
}, true);
document.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-act], #reload, #drain");
  if (button) perform(button.dataset.act ?? button.id, button.dataset, latest);
});
addEventListener("resize", () => latest && drawMap(byId("map"), services, latest, history));
follow();
