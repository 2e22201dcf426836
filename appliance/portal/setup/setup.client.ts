// The code stands in the fragment of the address, which a browser never sends by itself: it goes into the form, out of
// the address and its history, and is posted once.
const code = location.hash.slice(1);
const field = document.querySelector<HTMLInputElement>('input[name=code]');
if (code !== '' && field?.form) {
  history.replaceState(null, '', location.pathname);
  field.value = decodeURIComponent(code);
  // Only once: a refused code comes back as a page without a fragment.
  field.form.submit();
}
