// Times in the viewer's zone, and the clocks that run. The words are those of words.py.
const $ = (selector, root = document) => root.querySelector(selector);
const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
const GAP = '\u00a0';

function spell(seconds) {
  const whole = Math.max(0, Math.floor(seconds)), pad = (n) => String(n).padStart(2, '0');
  if (whole < 60) return `${whole}${GAP}s`;
  if (whole < 3600) return `${Math.floor(whole / 60)}${GAP}min`;
  const minutes = Math.floor(whole / 60) % 60, hours = Math.floor(whole / 3600), days = Math.floor(hours / 24);
  if (whole < 86400) return `${hours}${GAP}h${minutes ? GAP + pad(minutes) : ''}`;
  return `${days}${GAP}d${hours % 24 && days < 7 ? `${GAP}${hours % 24}${GAP}h` : ''}`;
}
function countDown(seconds) {
  const left = Math.floor(Math.abs(seconds));
  const text = left < 3600 ? `${Math.floor(left / 60)}:${String(left % 60).padStart(2, '0')}` : spell(left);
  return seconds < 0 ? `+${text}` : text;
}
const full = new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'long' });
export const clocks = {
  minutes: new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' }),
  seconds: new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' }),
};
let ahead = 0;   // a phone's clock may be wrong, a demo's server may be ahead: the server's time counts
export function setClock(page) {
  const off = new Date(page.body.dataset.now) - Date.now();
  ahead = Math.abs(off) > 2000 ? off : 0;
}
export const now = () => Date.now() + ahead;
export const put = (element, text) => { if (element && element.textContent !== text) element.textContent = text; };
export function toViewersZone(root = document) {
  for (const time of $$('time[datetime]', root)) {
    const at = new Date(time.dateTime);
    time.title = full.format(at);
    if (time.dataset.clock) {
      const old = Math.abs(now() - at) > 20 * 3600e3;
      const day = old ? `${at.toLocaleDateString(undefined, { day: 'numeric', month: 'short' })} ` : '';
      put(time, day + clocks[time.dataset.clock].format(at));
    }
  }
}
export function tick() {
  const here = now();
  for (const time of $$('time[data-ago]')) put(time, spell((here - new Date(time.dateTime)) / 1000) + time.dataset.ago);
  for (const count of $$('[data-count]')) put(count, countDown((new Date(count.dataset.count) - here) / 1000));
  for (const bar of $$('[data-until]')) {
    const from = new Date(bar.dataset.from), until = new Date(bar.dataset.until);
    const used = (here - from) / Math.max(1, until - from);
    put($('b', bar), countDown((until - here) / 1000));
    $('progress', bar)?.setAttribute('value', Math.max(0, Math.min(1, used)).toFixed(3));
    bar.title ||= full.format(until);
    for (const tone of ['ok', 'warn', 'bad']) {
      bar.classList.toggle(`sla-${tone}`, tone === (here >= until ? 'bad' : used >= 0.5 ? 'warn' : 'ok'));
    }
  }
}
