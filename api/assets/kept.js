// A part that is put in anew loses the focus and where it was scrolled to: give both back.
const kept = {focused: null, scrolled: new Map()};
const placeOf = (element) => element.closest("[id]")?.id;
const nameOf = (element) => element.getAttribute("href") ?? element.getAttribute("aria-label");

document.addEventListener("focusin", ({target}) => {
    kept.focused = {element: target, place: placeOf(target), name: nameOf(target)};
});
document.addEventListener("focusout", ({target}) => {
    // Left by the user, not taken away.
    queueMicrotask(() => {
        if (target.isConnected && kept.focused?.element === target) kept.focused = null;
    });
});
document.addEventListener(
    "scroll",
    ({target}) => {
        if (target.classList?.contains("scroll")) {
            kept.scrolled.set(placeOf(target), {element: target, top: target.scrollTop, left: target.scrollLeft});
        }
    },
    {capture: true},
);

const giveBack = () => {
    for (const [place, was] of kept.scrolled) {
        const now = document.querySelector(`#${place} .scroll`);
        if (now && now !== was.element) {
            was.element = now;
            now.scrollTo(was.left, was.top);
        }
    }
    const {focused} = kept;
    if (focused?.name && !focused.element.isConnected && document.activeElement === document.body) {
        const there = document.getElementById(focused.place)?.querySelectorAll("a, [tabindex]") ?? [];
        [...there].find((element) => nameOf(element) === focused.name)?.focus({preventScroll: true});
    }
};
new MutationObserver(giveBack).observe(document, {childList: true, subtree: true});
