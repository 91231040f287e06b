// Makes the pages live. Everything here is an addition: reading and acting work without it.
import { clocks, put, setClock, tick, toViewersZone } from './times.js';

const $ = (selector, root = document) => root.querySelector(selector);
const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
const store = {   // storage may be off: then nothing is kept
  get(area, key) { try { return JSON.parse(area.getItem(key)); } catch { return null; } },
  set(area, key, value) { try { area.setItem(key, JSON.stringify(value)); } catch { /* not kept */ } },
};
let quiet = 0;
function announce(text) {   // for screen readers, and for all others during five seconds
  const line = $('#announce');
  if (!line) return;
  line.textContent = text;
  line.className = 'toast';
  clearTimeout(quiet);
  quiet = setTimeout(() => { line.className = 'vh'; }, 5000);
}

// ---- renewing what the page shows, without moving anything under a thumb ----
const idOf = (row) => row.id.slice('row-'.length);
const rows = () => $('#rows');
const parse = (html) => new DOMParser().parseFromString(html, 'text/html');
let lastTouch = 0, waiting = null, changed = new Set();
addEventListener('pointermove', (event) => { if (event.target.closest?.('#rows')) lastTouch = Date.now(); }, { passive: true });
addEventListener('touchstart', () => { lastTouch = Date.now(); }, { passive: true });
const isReading = () => Boolean($('#rows tr:has(:checked), #rows tr.is-cursor, #rows tr:focus-within'))
  || scrollY > 80 || Date.now() - lastTouch < 4000;
const isWriting = (element) => Boolean($(':popover-open, details.menu[open]', element)) || element.matches(':popover-open')
  || $$('textarea, input[type=search], input:not([type])', element).some((field) => field.value !== field.defaultValue)
  || (element.contains(document.activeElement) && document.activeElement.matches('textarea, input, select'));

function renewParts(fresh) {
  const parts = $$('[data-live][id]'), ids = (list) => list.map((part) => part.id).join(' ');
  const coming = $$('[data-live][id]', fresh);
  if (ids(parts) !== ids(coming) && !isWriting($('main'))) return replaceMain(fresh);
  for (const part of parts) {
    const next = fresh.getElementById(part.id);
    if (!next || isWriting(part)) continue;
    const key = part.contains(document.activeElement) ? document.activeElement.dataset.key : null;
    keepOpen(part, next);
    part.replaceWith(next);
    if (key) $(`[data-key="${key}"]`, next)?.focus();
  }
}
function keepOpen(old, next) {   // what somebody has unfolded stays so
  for (const fold of $$('[data-keep]', next)) fold.open = $(`[data-keep="${fold.dataset.keep}"]`, old)?.open ?? fold.open;
}
function renewAround(fresh) {   // what stands around the list: counts
  for (const part of $$('[data-live][id]')) {
    const next = fresh.getElementById(part.id);
    if (next && !part.contains(document.activeElement)) part.replaceWith(next);
  }
}
function replaceMain(fresh) {
  if (isWriting($('main'))) return;
  $('main').replaceWith($('main', fresh));
  $('#live')?.removeAttribute('hidden');
  dressUp();
}
function renewList(fresh) {
  const coming = $$('#rows > tr', fresh), now = new Map($$('#rows > tr').map((row) => [idOf(row), row]));
  if (!coming.length) { if (isReading()) hold(now.size, fresh); else replaceMain(fresh); return; }
  const reading = isReading();
  let held = 0;
  for (const row of coming) {
    const old = now.get(idOf(row));
    if (!old) { held += 1; alarm(row); }
    if (old && old.dataset.mark !== row.dataset.mark) row.classList.add('is-fresh');
    if (!old) row.classList.add('is-fresh');
  }
  if (!reading) { rows().replaceChildren(...coming); hold(0); return; }
  for (const row of coming) {   // in place: values change, nothing moves
    const old = now.get(idOf(row));
    now.delete(idOf(row));
    if (old && old.dataset.mark !== row.dataset.mark) swapRow(old, row.cloneNode(true));
  }
  for (const [id, row] of now) { held += 1; if (changed.has(id)) renewRow(row); }
  hold(held, fresh);
}
function swapRow(old, row) {
  const focused = old.contains(document.activeElement);
  $('[name=ids]', row).checked = $('[name=ids]', old).checked;
  row.classList.toggle('is-cursor', old.classList.contains('is-cursor'));
  old.replaceWith(row);
  if (focused) $('a', row).focus();
  toViewersZone(row);
}
async function renewRow(row) {
  const answer = await fetch(`/incidents/${encodeURIComponent(idOf(row))}/row`, { headers: { 'X-Dashboard': 'live' } });
  if (answer.ok && row.isConnected) putRow(row, await answer.text());
}
function putRow(row, html) {
  const next = $('tr', parse(`<table><tbody>${html}</tbody></table>`));
  if (next) { next.classList.add('is-fresh'); swapRow(row, next); tick(); }
}
const alarm = (row) => {
  if (['P0', 'P1'].includes($('.sev', row).textContent.trim())) announce(`New ${$('.sev', row).textContent.trim()}: ${$('.c-title a', row).textContent}`);
};
function hold(count, fresh) {
  const bar = $('#held');
  if (!bar) return;
  waiting = count ? fresh : null;
  bar.hidden = !count;
  put($('[data-held-text]', bar), `${count} new`);
}
function showNewer() {
  if (!waiting) return;
  const fresh = waiting, chosen = new Set($$('#rows :checked').map((box) => box.value));
  scrollTo({ top: 0 });
  if (!$('#rows', fresh)) return replaceMain(fresh);
  rows().replaceChildren(...$$('#rows > tr', fresh));
  for (const box of $$('#rows [name=ids]')) box.checked = chosen.has(box.value);
  hold(0);
  dressUp();
}
let timer = 0, renewing = false;
function renewSoon() { timer ||= setTimeout(() => { timer = 0; renew(); }, 250); }
async function renew() {
  if (renewing) { renewSoon(); return; }
  renewing = true;
  try {
    const answer = await fetch(location.href, { headers: { 'X-Dashboard': 'live' } });
    if (answer.redirected && new URL(answer.url).pathname.startsWith('/sign-in')) { stale(true, 'You are signed out.'); return; }
    if (!answer.ok) return;
    const fresh = parse(await answer.text());
    document.title = fresh.title;
    setClock(fresh);
    if (rows()) { renewAround(fresh); renewList(fresh); } else if ($('[data-waits-for-first]')) { replaceMain(fresh); } else { renewParts(fresh); }
    changed = new Set();
    dressUp();
  } catch { /* the stream says so when the server is away */ } finally { renewing = false; }
}

// ---- the stream ----
let downSince = 0;
function stale(on, text) {
  const note = $('#stale'), live = $('#live');
  if (note) note.hidden = !on;
  if (live) live.hidden = on;
  if (on && text && note) put($('b', note), text);
  put($('[data-stale-since]'), on && downSince ? `at ${clocks.seconds.format(downSince)}` : '');
}
function listen() {
  if (!$('#live')) return;
  const stream = new EventSource('/stream');
  stream.addEventListener('hello', () => { if (downSince) renewSoon(); downSince = 0; stale(false); });
  stream.addEventListener('change', (event) => {
    const id = JSON.parse(event.data).incident_id, page = $('[data-incident]')?.dataset.incident;
    changed.add(id);
    if (!page || page === id) renewSoon();
  });
  stream.addEventListener('error', () => {
    downSince ||= Date.now();
    setTimeout(() => { if (downSince) stale(true); }, 3000);
    if (stream.readyState === EventSource.CLOSED) { renewSoon(); setTimeout(listen, 10000); }   // perhaps signed out
  });
}

// ---- acting ----
async function act(button) {
  const form = button.form, row = button.closest('tr');
  const body = new URLSearchParams({ csrf: form.elements.csrf.value });
  const answer = await fetch(button.formAction, { method: 'POST', body, headers: { 'X-Dashboard': 'act' } });
  const told = await answer.json().catch(() => ({ message: 'It did not work. Reload the page and try again.' }));
  announce(`${idOf(row)}: ${told.message}`);
  if (told.row) putRow(row, told.row); else { row.classList.add('is-fresh'); renewRow(row); sayFailure(told.message); }
}
function sayFailure(text) {
  $('#said')?.remove();
  const note = Object.assign(document.createElement('div'), { id: 'said', className: 'note note-said is-failed' });
  note.append(Object.assign(document.createElement('p'), { textContent: text }));
  $('.filters').after(note);
}
addEventListener('submit', (event) => {
  const button = event.submitter;
  if (button?.formAction.endsWith('/take') && button.closest('#rows')) { event.preventDefault(); act(button); }
  if (event.target.matches('[data-save-view]')) { event.preventDefault(); saveView(event.target); }
});
function weighSelection() {
  const picked = $$('#rows tr:has(:checked)');
  if (!picked.length) return;
  const off = [];
  for (const button of $$('.bulk [name=action]')) {
    const possible = picked.every((row) => row.dataset.allowed.split(' ').includes(button.value));
    button.disabled = !possible;
    if (!possible) off.push(button.textContent.trim());
  }
  put($('[data-why-off]'), off.length ? `${off.join(', ')}: not possible for all` : '');
}
addEventListener('change', (event) => {
  if (event.target.matches('#rows [name=ids]')) weighSelection();
  if (event.target.matches('[data-keys-off]')) store.set(localStorage, 'keysOff', event.target.checked);
});
addEventListener('click', async (event) => {
  if (event.target.closest?.('[data-show-newer]')) showNewer();
  const copy = event.target.closest?.('[data-copy]');
  if (copy) { await navigator.clipboard?.writeText($(`#${copy.dataset.copy}`).textContent); announce('Copied.'); }
  const forget = event.target.closest?.('[data-forget]');
  if (forget) { keepViews(ownViews().filter((view) => view.name !== forget.dataset.forget)); }
  for (const menu of $$('details.menu[open]')) {
    if (!menu.contains(event.target) || event.target.closest('[popovertarget]')) menu.open = false;
  }
});

// ---- saved views ----
const ownViews = () => (store.get(localStorage, 'views') || []).filter((view) => /^\/incidents(\?|$)/.test(view.url));
function keepViews(views) { store.set(localStorage, 'views', views.slice(0, 12)); showViews(); }
function saveView(form) {
  const name = form.elements.name.value.trim();
  if (name) keepViews([...ownViews().filter((view) => view.name !== name), { name, url: location.pathname + location.search }]);
  form.closest('details').open = false;
}
function showViews() {
  const place = $('#own-views');
  place?.replaceChildren(...ownViews().map((view) => {
    const item = document.createElement('span'), link = document.createElement('a'), drop = document.createElement('button');
    Object.assign(link, { href: view.url, textContent: view.name });
    if (view.url === location.pathname + location.search) link.setAttribute('aria-current', 'page');
    Object.assign(drop, { type: 'button', textContent: '×', ariaLabel: `Forget the view ${view.name}` });
    drop.dataset.forget = view.name;
    item.append(link, drop);
    return item;
  }));
}

// ---- keys ----
let pendingG = 0;
const cursor = () => $('#rows tr.is-cursor');
function move(step) {
  const list = $$('#rows > tr');
  if (!list.length) return stepThrough(step);
  const at = list.indexOf(cursor()), to = Math.max(0, Math.min(list.length - 1, at < 0 ? 0 : at + step));
  cursor()?.classList.remove('is-cursor');
  list[to].classList.add('is-cursor');
  list[to].scrollIntoView({ block: 'nearest' });
  $('.c-title a', list[to]).focus({ preventScroll: true });
}
function stepThrough(step) {
  const list = store.get(sessionStorage, 'list') || [], to = list[list.indexOf($('[data-incident]')?.dataset.incident) + step];
  if (to && $('[data-incident]')) location.assign(`/incidents/${encodeURIComponent(to)}`);
}
function press(key, word) {
  const button = $(`#acts [data-key="${key}"]`), row = cursor();
  if (button) { button.click(); if (key === 'c') $('#say')?.focus(); return; }
  if (!row) { announce($('#acts') ? `${word}: not possible now.` : 'Move to an incident with j or k first.'); return; }
  if (key === 'a') { const take = $('.btn-row', row); if (take) take.click(); else announce('Somebody has it already.'); return; }
  location.assign(`/incidents/${encodeURIComponent(idOf(row))}#do=${{ e: 'form-escalate', r: 'form-resolve', u: 'form-assign', c: 'say' }[key] || 'acts'}`);
}
const KEYS = {
  j: () => move(1), k: () => move(-1), '.': showNewer, '?': () => $('#keys').showModal(),
  x: () => { const box = $('[name=ids]', cursor() || document.createElement('i')); if (box) { box.checked = !box.checked; weighSelection(); } },
  '/': () => { const field = $('#q'); if (field) { field.focus(); field.select(); } else location.assign('/incidents#do=q'); },
  i: () => { if (Date.now() - pendingG < 1000) location.assign('/incidents'); }, g: () => { pendingG = Date.now(); },
  Escape: () => { cursor()?.classList.remove('is-cursor'); $$('#rows :checked').forEach((box) => { box.checked = false; }); },
};
for (const [key, word] of Object.entries({ a: 'Take', s: 'Start work', e: 'Escalate', d: 'De-escalate', r: 'Resolve', o: 'Reopen', w: 'Close', u: 'Assign', c: 'Comment' })) {
  KEYS[key] = () => press(key, word);
}
addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || store.get(localStorage, 'keysOff')) return;
  if (event.target.matches?.('textarea, select, input:not([type=checkbox]):not([type=radio])') || $(':popover-open, dialog[open]')) return;
  const run = KEYS[event.key];
  if (run) { if (event.key !== 'Escape') event.preventDefault(); run(); }
});

// ---- start ----
function dressUp() {
  toViewersZone();
  tick();
  showViews();
  if (rows()) store.set(sessionStorage, 'list', $$('#rows > tr').map(idOf));
}
setClock(document);
dressUp();
setInterval(tick, 1000);
listen();
const wish = new URLSearchParams(location.hash.slice(1)).get('do');   // no id, so that the browser moves no focus for it
if (wish) {
  history.replaceState(null, '', location.pathname + location.search);
  const place = document.getElementById(wish);
  if (place?.popover) place.showPopover(); else place?.focus();
}
const undo = $('[data-undo]');
if (undo) setTimeout(() => undo.remove(), 10000);
const again = $('[data-retry]');
if (again) setTimeout(() => location.reload(), again.dataset.retry * 1000);
const off = $('[data-keys-off]');
if (off) off.checked = Boolean(store.get(localStorage, 'keysOff'));
