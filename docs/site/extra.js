// What scrolls sideways can be reached with the keyboard. The theme wraps wide tables after the page is there.
const reach = () => document.querySelectorAll(".md-typeset__scrollwrap, .highlight pre").forEach((each) => (each.tabIndex = 0));
document.addEventListener("DOMContentLoaded", () => {
  reach();
  new MutationObserver(reach).observe(document.querySelector("main"), { childList: true, subtree: true });
});
