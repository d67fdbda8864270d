for (const slider of document.querySelectorAll("input[data-overlay]")) {
  const section = slider.closest("section");
  const said = section.querySelector("output");
  const show = () => {
    section.style.setProperty("--overlay", slider.value / 100);
    said.textContent = slider.value + " %";
    slider.setAttribute("aria-valuetext", slider.value + " per cent labels");
  };
  slider.addEventListener("input", show);
  slider.parentElement.hidden = false;
  show();
}
