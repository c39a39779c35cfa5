// What the pages do beyond htmx. Without it, everything works but what is here.
'use strict';

// `/` goes to the search field, as long as nobody writes elsewhere.
document.addEventListener('keydown', (event) => {
  if (event.key !== '/' || event.ctrlKey || event.metaKey || event.altKey) return;
  const at = event.target;
  if (at instanceof HTMLElement && at.closest('input, textarea, select, [contenteditable]')) return;
  const search = document.getElementById('search');
  if (!search) return;
  event.preventDefault();
  search.focus();
  search.select();
});

// One box that chooses all rows of its table.
document.addEventListener('change', (event) => {
  const box = event.target;
  if (!(box instanceof HTMLInputElement) || !box.matches('[data-choose-all]')) return;
  for (const row of box.closest('form').querySelectorAll('input[name="job"]')) row.checked = box.checked;
});
for (const box of document.querySelectorAll('[data-choose-all]')) box.hidden = false;

// A page that nobody sees asks for nothing, and neither does one in which somebody writes, chooses or is about to answer a
// question.
document.addEventListener('htmx:beforeRequest', (event) => {
  const part = event.target;
  if (!part.matches || !part.matches('[data-live]')) return;
  const busy = part.querySelector('details.confirm[open], :focus:not(a)');
  const selects = !getSelection().isCollapsed && part.contains(getSelection().anchorNode);
  if (document.hidden || busy || selects) event.preventDefault();
});

// Whoever is at a link of such a page stays there when the page comes anew, wherever the window is scrolled to.
let kept = null;
document.addEventListener('htmx:beforeSwap', (event) => {
  const part = event.target;
  if (!part.matches || !part.matches('[data-live]')) return;
  const at = part.querySelector('a:focus');
  const links = [...part.querySelectorAll('a')].filter((link) => at && link.getAttribute('href') === at.getAttribute('href'));
  kept = at && { part: part.id, href: at.getAttribute('href'), place: links.indexOf(at) };
});
document.addEventListener('htmx:afterSwap', () => {
  const part = kept && document.getElementById(kept.part);
  if (!part) return;
  const links = [...part.querySelectorAll('a')].filter((link) => link.getAttribute('href') === kept.href);
  const link = links[Math.min(kept.place, links.length - 1)];
  if (link) link.focus({ preventScroll: true });
  kept = null;
});
