// Timers and the event loop: one turn sleeps at the host until a request has ended or a timer is due.
const timers = new Map();
// Requests under way: id at the host to what to do with its answer.
const requests = new Map();
let lastTimer = 0;

const LONGEST_MS = 2 ** 31 - 1;

const schedule = (callback, delay, every, values) => {
  if (typeof callback !== "function") throw new TypeError("the callback of a timer must be a function");
  const wanted = Number(delay);
  // As browsers and Node have it: what is no delay, or too long for one, is none.
  const wait = wanted > 0 && wanted <= LONGEST_MS ? wanted : 0;
  timers.set(++lastTimer, { at: host.monotonic() + wait, every: every ? Math.max(1, wait) : 0, callback, values });
  return lastTimer;
};
function setTimeout(callback, delay = 0, ...values) {
  return schedule(callback, delay, false, values);
}
function setInterval(callback, delay = 0, ...values) {
  return schedule(callback, delay, true, values);
}
function clearTimeout(id) {
  timers.delete(Number(id));
}
function clearInterval(id) {
  timers.delete(Number(id));
}
function queueMicrotask(callback) {
  if (typeof callback !== "function") throw new TypeError("queueMicrotask takes a function");
  Promise.resolve().then(() => guarded(callback, undefined));
}

const dueTimers = () => {
  const now = host.monotonic();
  return [...timers].filter(([, timer]) => timer.at <= now).sort(([, one], [, other]) => one.at - other.at);
};

// Runs what has become due. Callbacks are a list of functions, so that promises can go on in between.
// Undefined when there is nothing left that could happen.
const turn = () => {
  // Whoever is asked has all the time of the world; the time of a call stands still meanwhile.
  if (putWaiting()) return [];
  if (timers.size === 0 && requests.size === 0) return undefined;
  let next = Infinity;
  for (const timer of timers.values()) next = Math.min(next, timer.at);
  const timeout = next === Infinity ? null : Math.max(0, Math.ceil(next - host.monotonic()));
  // A due timer does not keep requests from being looked at.
  const due = requests.size > 0 || timeout > 0 ? host.wait([...requests.keys()], timeout) : [];
  const work = [];
  for (const id of due) {
    const done = requests.get(id);
    requests.delete(id);
    if (done) work.push(() => done(host.httpTake(id)));
  }
  for (const [id, timer] of dueTimers()) {
    work.push(() => {
      if (timers.get(id) !== timer) return;
      if (timer.every > 0) timer.at = host.monotonic() + timer.every;
      else timers.delete(id);
      guarded(timer.callback, undefined, ...timer.values);
    });
  }
  return work;
};

const timeOrigin = () => Date.now() - host.monotonic();
// From the moment that the call's instance first looks at the clock.
let began;
const performance = {
  now() {
    began ??= host.monotonic();
    return host.monotonic() - began;
  },
  get timeOrigin() {
    began ??= host.monotonic();
    return timeOrigin() + began;
  },
};
Object.defineProperty(performance, Symbol.toStringTag, { value: "Performance" });

define({ setTimeout, setInterval, clearTimeout, clearInterval, queueMicrotask, performance });
