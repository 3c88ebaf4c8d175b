// Shows /_pigeonhole/state, once a second. Names, messages and log lines are other people's words:
// they become text nodes and nothing else (the page's policy forbids innerHTML altogether).

import { fill, h } from "./tree.js";

const SECOND = 1000;
const MOST_LINES = 2000;
const BUSY = new Set(["InProgress", "Stopping", "Creating", "Updating", "SystemUpdating", "Deleting"]);
const GOOD = new Set(["Completed", "InService", "Approved", "IN_SERVICE"]);
const BAD = new Set(["Failed", "Rejected", "FAILED", "OutOfService"]);
const PHASES = ["Starting", "Downloading", "Training", "Uploading"];
const GROUPS = {
  training: () => "/aws/sagemaker/TrainingJobs",
  transform: () => "/aws/sagemaker/TransformJobs",
  endpoint: (name) => `/aws/sagemaker/Endpoints/${name}`,
};
const $ = (id) => document.getElementById(id);

// The work, done again a pause after each end of it, whatever that was, while somebody can see the
// page; a call does it now.
function repeat(work, pause) {
  let [timer, busy] = [0, false];
  return async function again() {
    clearTimeout(timer);
    if (busy || document.hidden) return;
    busy = true;
    try { await work(); } catch (error) { console.error(error); }
    busy = false;
    timer = setTimeout(again, pause());
  };
}

// ---- words ----

const now = () => Date.now() / SECOND;

function span(seconds) {
  const s = Math.max(0, Math.round(seconds));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  return `${Math.floor(s / 86400)} d ${Math.floor((s % 86400) / 3600)} h`;
}

function ago(at) {
  const s = Math.max(0, now() - at);
  if (s < 5) return "just now";
  if (s < 60) return `${Math.floor(s)} s ago`;
  if (s < 3600) return `${Math.floor(s / 60)} min ago`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ago`;
  return new Date(at * SECOND).toLocaleDateString(undefined, { month: "short", day: "numeric" });
}

const since = (at) =>
  h("time", { datetime: new Date(at * SECOND).toISOString(), title: clock(at) }, ago(at));
const clock = (at) => new Date(at * SECOND).toLocaleString();
const number = (value) =>
  Number.isInteger(value) ? value.toLocaleString() : Number(value.toPrecision(4)).toString();
const count = (n, one, many = `${one}s`) => `${n.toLocaleString()} ${n === 1 ? one : many}`;
// InProgress, IN_PROGRESS → In progress
const words = (name) => name.replace(/([a-z])([A-Z])/g, "$1 $2").replaceAll("_", " ").toLowerCase()
  .replace(/^./, (first) => first.toUpperCase());
const micros = (us) => (us < 999500 ? `${number(Math.round(us / 100) / 10)} ms` : `${number(us / 1e6)} s`);
const command = (text) => h("code", { class: "command" }, text);
const tone = (status) =>
  BUSY.has(status) ? "busy" : GOOD.has(status) ? "good" : BAD.has(status) ? "bad" : "calm";
const state = (status, text = words(status)) => h("span", { class: `state ${tone(status)}` }, text);
const dot = (kind) => h("span", { class: `dot ${kind}`, "aria-hidden": "true" });

// ---- small drawings ----

function sparkline(points, label) {
  const [width, height] = [96, 22];
  if (points.length < 2) return null;
  const values = points.map(([, value]) => value);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const x = (i) => (2 + (i / (points.length - 1)) * (width - 4)).toFixed(1);
  const y = (v) => (height - 3 - ((v - low) / (high - low || 1)) * (height - 6)).toFixed(1);
  const end = points.length - 1;
  return h("svg", { class: "spark", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label },
    h("polyline", { points: values.map((v, i) => `${x(i)},${y(v)}`).join(" ") }),
    h("circle", { cx: x(end), cy: y(values[end]), r: "2" }));
}

function metrics(found, most) {
  const rank = ({ name }) => (/held|test|objective/i.test(name) ? 0 : /accuracy|auc|f1/i.test(name) ? 1 : 2);
  const shown = [...found].sort((a, b) => rank(a) - rank(b)).slice(0, most);
  if (!shown.length) return null;
  return h("dl", { class: "metrics" }, shown.map((m) => h("div", { "data-key": m.name },
    h("dt", {}, m.name),
    h("dd", {}, sparkline(m.points, `${m.name} from ${number(m.points[0][1])} to ${number(m.last)}`),
      h("b", {}, number(m.last))))));
}

function phases(job) {
  const reached = new Map(job.steps.map((step) => [step.status, step.start]));
  const last = job.steps.findLastIndex((step) => PHASES.includes(step.status));
  const at = last < 0 ? -1 : PHASES.indexOf(job.steps[last].status);
  return h("ol", { class: "phases" }, PHASES.map((phase, i) => h("li", {
    class: i < at ? "done" : i === at ? "now" : "",
    "aria-current": i === at ? "step" : null,
    title: reached.has(phase) ? clock(reached.get(phase)) : null,
  }, phase)));
}

function trials(job) {
  const found = job.trials.filter((trial) => trial.value !== null);
  if (found.length < 2) return null;
  const [width, height] = [320, 64];
  const values = found.map((trial) => trial.value);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const better = job.objective.type === "Minimize" ? Math.min : Math.max;
  const x = (i) => (6 + (i / (found.length - 1)) * (width - 12)).toFixed(1);
  const y = (v) => (height - 6 - ((v - low) / (high - low || 1)) * (height - 12)).toFixed(1);
  let best = values[0];
  const line = values.map((v, i) => `${x(i)},${y((best = better(best, v)))}`).join(" ");
  return h("svg", { class: "trials", viewBox: `0 0 ${width} ${height}`, role: "img",
    "aria-label": `${job.objective.name} of ${found.length} trials, from ${number(low)} to ${number(high)}` },
  h("polyline", { points: line }),
  found.map((t, i) => h("circle", { cx: x(i), cy: y(t.value), r: "3", class: t.name === job.best.name ? "best" : "" },
    h("title", {}, `${t.name}: ${number(t.value)}`))));
}

// ---- sections ----

function section(id, title, note, items, empty) {
  return h("section", { id, "data-key": id, class: items.length ? null : "empty", "aria-labelledby": `${id}-title` },
    h("h2", { id: `${id}-title` }, title, note ? h("small", {}, note) : null),
    items.length ? h("ul", { class: "rows" }, items) : h("p", { class: "hint" }, empty));
}

// Of finished jobs only the newest stand in the open.
function jobs(found, draw) {
  const open = found.filter((job, i) => i < 5 || BUSY.has(job.status));
  const rest = found.filter((job) => !open.includes(job));
  return [...open.map(draw), rest.length ? h("li", { "data-key": "/earlier", class: "earlier" }, h("details", {},
    h("summary", {}, `${rest.length} earlier`), h("ul", { class: "rows" }, rest.map(draw)))) : null].filter(Boolean);
}

function row(kind, item, { when, status = item.status, text, facts = [], body = [] }) {
  const target = `#${kind}/${item.name}`;
  const chosen = location.hash === target || picked() === target;
  return h("li", { "data-key": item.name, class: chosen ? "chosen" : "" },
    h("div", { class: "line" }, dot(tone(status)),
      h("a", { class: "name", href: kind in GROUPS ? target : null, title: "Show its log",
        "aria-current": chosen ? "true" : null }, item.name),
      state(status, text), h("span", { class: "when" }, when)),
    facts.filter(Boolean).length ? h("p", { class: "facts" }, facts.filter(Boolean).join(" · ")) : null,
    item.reason ? h("p", { class: `reason ${tone(status)}` }, item.reason) : null, body);
}

const took = (item) => (item.ended ? span(item.ended - (item.started ?? item.created)) : span(now() - item.created));
const when = (item) => (item.ended ? [took(item), " · ", since(item.ended)] : took(item));
const machines = (item) => item.instance && (item.hosts > 1 ? `${item.hosts} × ${item.instance}` : item.instance);
const total = (kind) => Object.values(seen.totals[kind] ?? {}).reduce((sum, n) => sum + n, 0);
const trialsOf = (found) => found.flatMap((job) => Object.values(job.counters)).reduce((sum, n) => sum + n, 0);
const more = (kind, shown, elsewhere = 0) =>
  (total(kind) - elsewhere > shown ? `the newest ${shown} of ${(total(kind) - elsewhere).toLocaleString()}` : "");

function training(job) {
  const busy = BUSY.has(job.status);
  return row("training", job, {
    when: when(job),
    text: words(job.secondary ?? job.status),
    facts: [machines(job), job.spot && "spot", busy && !PHASES.includes(job.secondary) && job.message],
    body: [busy ? phases(job) : null, metrics(job.metrics, busy ? 8 : 4)],
  });
}

const setting = (parameters) => Object.entries(parameters)
  .map(([name, value]) => `${name} ${Number.isFinite(Number(value)) ? number(Number(value)) : value}`).join(", ");

function tuning(job) {
  const done = trialsOf([job]);
  const part = (status, kind) => {
    const n = job.counters[status] ?? 0;
    return n ? h("span", { class: kind, "data-share": n / (job.most || done) }) : null;
  };
  const best = job.best && [
    h("b", {}, number(job.best.value)), ` ${job.objective.name}, ${BUSY.has(job.status) ? "best so far" : "the best"}, by `,
    setting(job.best.parameters),
  ];
  return row("tuning", job, {
    when: when(job),
    facts: [job.strategy, job.objective.name && `${job.objective.type?.toLowerCase()}s ${job.objective.name}`,
      `${done} of ${job.most ?? "?"} trials`, job.parallel && `${job.parallel} at a time`],
    body: [
      h("div", { class: "share", role: "img", "aria-label": `${done} trials of ${job.most ?? "?"} started` },
        part("Completed", "good"), part("Stopped", "calm"), part("Failed", "bad"), part("InProgress", "busy"),
        part("Stopping", "busy")),
      best ? h("p", { class: "best" }, best) : null, trials(job),
      h("details", {}, h("summary", {}, "Trials"), h("ul", { class: "rows" }, [...job.trials].reverse().map((trial) =>
        row("training", trial, { when: trial.value === null ? took(trial) : [h("b", {}, number(trial.value)), " · ", took(trial)],
          facts: [setting(trial.parameters)] })))),
    ],
  });
}

function transform(job) {
  return row("transform", job, { when: when(job), facts: [machines(job), job.input && `${job.input} → ${job.output}`] });
}

function variant(item) {
  const size = item.serverless;
  const warm = item.containers ? `${count(item.containers, "container")} warm`
    : size ? "scaled to zero: the next call starts a container" : "no container runs";
  const what = size ? `serverless, ${size.memory_mb} MB, at most ${size.concurrency} at once`
    + (size.provisioned ? `, ${size.provisioned} provisioned` : "")
    : `${item.wanted ?? 1} × ${item.instance ?? "instance"}`;
  const traffic = [
    item.invocations ? count(item.invocations, "call") : "no call yet",
    item.errors ? count(item.errors, "error") : null,
    item.latency_us === null ? null : `last answer ${micros(item.latency_us)}`,
    item.setup_us === null ? null : `last cold start ${micros(item.setup_us)}, ${ago(item.setup_at)}`,
  ].filter(Boolean).join(" · ");
  return h("li", { "data-key": item.name },
    h("p", {}, h("b", {}, item.name), ` ${what}`, item.weight !== 1 && item.weight !== null ? `, weight ${number(item.weight)}` : ""),
    h("p", { class: "facts" }, dot(item.containers ? "good" : "calm"), `${warm} · ${traffic}`));
}

function endpoint(item) {
  return row("endpoint", item, {
    when: since(item.modified),
    facts: [item.pending ? `moving to ${item.pending}` : item.config],
    body: [h("ul", { class: "variants" }, item.variants.map(variant))],
  });
}

function group(item) {
  return h("li", { "data-key": item.name }, h("div", { class: "line" }, h("span", { class: "name" }, item.name)),
    h("ul", { class: "versions" }, item.versions.map((v) => h("li", { "data-key": v.version },
      h("span", {}, `version ${v.version}`), state(v.approval ?? v.status), v.description ? h("span", { class: "facts" }, v.description) : null,
      h("span", { class: "when" }, since(v.created))))),
    item.more ? h("p", { class: "facts" }, `and ${item.more} older`) : null);
}

function model(item) {
  return h("li", { "data-key": item.name },
    h("div", { class: "line" }, h("span", { class: "name" }, item.name), h("span", { class: "when" }, since(item.created))),
    h("p", { class: "facts" }, item.package ?? item.image));
}

function happened(event) {
  const kind = event.type.replace(/^SageMaker /, "").replace(/ State Change$/, "").toLowerCase();
  const status = event.status === "InProgress" ? event.secondary ?? event.status : event.status ?? "";
  const reached = event.deliveries.map((d) => h("span", { class: d.outcome === "delivered" ? null : "bad" },
    `→ ${d.target} ${d.outcome === "delivered" ? `after ${micros((d.at - event.at) * 1e6)}` : d.outcome} `));
  return h("li", { "data-key": event.id },
    h("div", { class: "line" }, dot(tone(event.status)), h("span", { class: "name" }, event.name),
      state(event.status ?? "", words(status)), h("span", { class: "facts" }, kind), h("span", { class: "when" }, since(event.at))),
    event.trouble ? h("p", { class: "facts bad" }, `${event.trouble}, as somebody asked`) : null,
    reached.length ? h("p", { class: "facts" }, reached) : null);
}

function rule(item) {
  const times = item.times === null ? "until it is cleared" : count(item.times, "more time");
  return h("li", { "data-key": item.number },
    h("div", { class: "line" }, dot("bad"), h("span", { class: "name" }, item.kind), `on ${item.on}`,
      h("span", { class: "when" }, times)),
    h("p", { class: "facts" }, [`struck ${count(item.used, "time")}`, item.seconds && `${item.seconds} s`, item.message]
      .filter(Boolean).join(" · ")));
}

// ---- the whole ----

let seen = null;

function draw() {
  if (!seen) return;
  const { cloud } = seen;
  const busy = ["training", "tuning", "transform"].flatMap((kind) => seen[kind]).filter((job) => BUSY.has(job.status));
  document.title = (busy.length ? `${busy.length} running · ` : "") + "Pigeonhole: the local cloud";
  fill($("cloud"), [
    h("h1", {}, "Pigeonhole ", h("span", {}, "local cloud")),
    h("p", { class: "health" }, cloud.services.map((s) => h("span", { "data-key": s.name }, dot(s.healthy ? "good" : "bad"),
      h("b", {}, s.name), ` ${s.healthy ? "answers on" : "does not answer on"} ${new URL(s.url).port}`)),
    h("span", { title: `process ${cloud.pid}, since ${clock(cloud.started)}` }, `up for ${span(now() - cloud.started)}`),
    h("span", {}, cloud.region)),
    h("p", { class: "env" }, cloud.env ? [command(`. ${cloud.env}`), " and the AWS CLI, boto3 and curl talk to it"]
      : ["The service is not deployed to it yet: ", command(`pigeonhole up${cloud.option}`)]),
  ]);
  const samples = "docs/examples/fashion-mnist";
  fill($("jobs"), [
    section("training", "Training jobs", more("training-job", seen.training.length, trialsOf(seen.tuning)), jobs(seen.training, training),
      ["None yet. Drop CSVs, and a job trains on them: ", command(`pigeonhole drop ${samples}/*.csv.gz ${samples}/dataset.json${cloud.option}`)]),
    section("tuning", "Tuning jobs", more("hyper-parameter-tuning-job", seen.tuning.length), jobs(seen.tuning, tuning),
      ["None yet. How one is started: ", command("aws sagemaker create-hyper-parameter-tuning-job help")]),
    section("endpoints", "Endpoints", more("endpoint", seen.endpoints.length), seen.endpoints.map(endpoint),
      "None yet. The first model that is good enough goes live here by itself."),
    section("transform", "Batch transform jobs", more("transform-job", seen.transform.length), jobs(seen.transform, transform),
      ["None yet. Once a model is live, have a folder of images sorted: ", command(`pigeonhole classify FOLDER${cloud.option}`)]),
    section("registry", "Model registry", more("model-package-group", seen.groups.length), seen.groups.map(group),
      "No model is registered yet. Each model that was trained is, with its version and approval."),
    section("models", "Models", more("model", seen.models.length), jobs(seen.models, model), "None yet. Endpoints and transform jobs are made from models."),
  ]);
  fill($("side"), [
    section("trouble", "Trouble in force", "", seen.trouble.map(rule),
      ["None: everything works. For a bad day: ", command("pigeonhole trouble --help")]),
    section("events", "Events", "", seen.events.map(happened), "None yet. What jobs and endpoints become is told here, and to EventBridge's rules."),
  ]);
  for (const part of document.querySelectorAll("[data-share]")) part.style.flexGrow = part.dataset.share;
  chooseLog();
}

// ---- the log of one job or endpoint: what the address names after #, else what runs ----

const log = { target: "", asked: "", after: 0, follows: true };

function picked() {
  if (/^#(training|transform|endpoint)\/./.test(location.hash)) return location.hash;
  if (location.hash === "#none" || !seen || matchMedia("(max-width: 60rem)").matches) return "";
  const jobs = [...seen.training, ...seen.tuning.flatMap((job) => job.trials)];
  const busy = jobs.find((job) => BUSY.has(job.status));
  if (busy) return `#training/${busy.name}`;
  if (log.target) return log.target;
  return seen.training.length ? `#training/${seen.training[0].name}` : "";
}

function chooseLog() {
  const target = picked();
  $("log").hidden = !target;
  document.body.classList.toggle("reading", Boolean(target));
  if (target === log.target) return;
  Object.assign(log, { target, after: 0, follows: true });
  $("log-lines").replaceChildren();
  $("log-note").textContent = "";
  $("log-title").textContent = target.replace(/^#\w+\//, "") || "Log";
  readLog();
}

const readLog = repeat(async () => {
  const { target, after } = log;
  log.asked = target;
  if (!target) return;
  const [, kind, name] = target.match(/^#(\w+)\/(.*)$/);
  const answer = await fetch(`/_pigeonhole/logs?${new URLSearchParams({ group: GROUPS[kind](name), name, after })}`, { cache: "no-store" });
  const told = await answer.json();
  if (answer.ok && log.target === target) showLines(told);
}, () => (log.asked === log.target ? SECOND : 0));

// algo-1-1795273000 → algo-1, AllTraffic/3f0c99aa12bc… → AllTraffic/3f0c
const short = (stream) => stream.replace(/^(algo-\d+)-\d+$/, "$1").replace(/\/(\w{4})\w+$/, "/$1");

function showLines(told) {
  const box = $("log-lines");
  const running = told.containers.length;
  const several = new Set([...told.lines, ...told.containers].map((line) => line.stream)).size > 1
    || box.classList.contains("several");
  box.classList.toggle("several", several);
  log.after = told.next;
  for (const line of told.lines) {
    const text = line.text.replace(/\u001b\[[0-9;?]*[A-Za-z]/g, "").replace(/[\b\r]+/g, " ");
    box.append(h("div", { title: clock(line.at) }, h("span", { class: "stream" }, short(line.stream)), text));
  }
  while (box.childElementCount > MOST_LINES) box.firstChild.remove();
  $("log-note").textContent = running ? `${count(running, "container")} running`
    : box.childElementCount ? "" : "nothing was printed";
  if (log.follows) box.scrollTop = box.scrollHeight;
  $("log-end").hidden = log.follows;
}

function closeLog() {
  const back = document.querySelector("li.chosen a.name");
  location.hash = "#none";
  back?.focus();
}

// ---- asking ----

let [etag, misses] = ["", 0];

const ask = repeat(async () => {
  try {
    const answer = await fetch("/_pigeonhole/state", { cache: "no-store", headers: etag ? { "If-None-Match": etag } : {} });
    if (answer.status === 200) {
      seen = await answer.json();
      etag = answer.headers.get("ETag") ?? "";
    } else if (answer.status !== 304) throw new Error(`status ${answer.status}`);
    misses = 0;
  } catch {
    misses += 1;
  }
  const lost = misses > 1 || !seen;
  const what = lost ? `The local cloud does not answer. Start it: pigeonhole up${seen?.cloud.option ?? ""}` : "";
  if ($("lost").textContent !== what) $("lost").textContent = what;
  $("lost").hidden = !lost;
  document.body.classList.toggle("stale", lost);
  if (!lost) draw();
}, () => (misses > 1 ? 2 * SECOND : SECOND));

document.addEventListener("visibilitychange", () => { ask(); readLog(); });
addEventListener("hashchange", draw);
addEventListener("keydown", (event) => { if (event.key === "Escape" && !$("log").hidden) closeLog(); });
$("log-close").addEventListener("click", closeLog);
$("log-end").addEventListener("click", () => { log.follows = true; $("log-lines").scrollTop = $("log-lines").scrollHeight; });
$("log-lines").addEventListener("scroll", ({ target }) => {
  log.follows = target.scrollHeight - target.scrollTop - target.clientHeight < 40;
  $("log-end").hidden = log.follows;
});
ask();
