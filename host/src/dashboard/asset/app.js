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

// A page that nobody sees asks for nothing, and neither does one in which somebody is about to answer a question.
document.addEventListener('htmx:beforeRequest', (event) => {
  const part = event.target;
  if (!part.matches || !part.matches('[data-live]')) return;
  const asked = part.querySelector('details.confirm[open]') || part.contains(document.activeElement);
  if (document.hidden || asked) event.preventDefault();
});
