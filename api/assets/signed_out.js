// Whose sign-in has ended is asked to sign in again, and comes back to the same page.
const askedByDash = window.fetch;
window.fetch = async (...request) => {
    const answer = await askedByDash(...request);
    if (answer.status !== 401) return answer;
    location.reload();
    // Nobody is told: this page is on its way out.
    return new Promise(() => {});
};
