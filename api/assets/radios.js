// Dash calls its radio buttons options of a list box, without a name. For those who have the page read out they shall be
// what they are: radio buttons, in a group that is called as the page calls it.
const mend = () => {
    for (const group of document.querySelectorAll('.dash-radioitems[role="listbox"]')) {
        group.setAttribute("role", "radiogroup");
        group.setAttribute("aria-label", group.closest("fieldset, section").querySelector("legend, h2").textContent);
    }
    for (const label of document.querySelectorAll(".dash-radioitems label[aria-selected]")) {
        label.removeAttribute("role");
        label.removeAttribute("aria-selected");
    }
};
new MutationObserver(mend).observe(document, {
    childList: true,
    subtree: true,
    attributes: true,
    attributeFilter: ["role", "aria-selected"],
});
