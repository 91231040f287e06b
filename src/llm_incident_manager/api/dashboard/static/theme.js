// The theme: auto, light or dark. A plain script in the head, so that the first paint is already right.
(() => {
  const root = document.documentElement, order = ['auto', 'light', 'dark'];
  let theme = 'auto';
  try { theme = localStorage.getItem('theme') || 'auto'; } catch { /* storage is off: auto */ }
  const apply = () => {
    if (theme === 'auto') delete root.dataset.theme; else root.dataset.theme = theme;
    document.querySelectorAll('[data-theme-name]').forEach((name) => { name.textContent = theme; });
  };
  apply();
  addEventListener('DOMContentLoaded', apply);
  addEventListener('click', (event) => {
    if (!event.target.closest?.('[data-theme-toggle]')) return;
    theme = order[(order.indexOf(theme) + 1) % order.length];
    try { localStorage.setItem('theme', theme); } catch { /* not kept */ }
    apply();
  });
})();
