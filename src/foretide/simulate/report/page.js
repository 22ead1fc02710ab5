"use strict";
// Draws the three figures of the chosen series; everything they need is in the page.
(() => {
  const all = JSON.parse(document.getElementById("data").textContent);
  const narrow = window.matchMedia("(max-width: 640px)");
  const chooser = document.getElementById("series");
  const names = ["trade_off", "zoomed_day", "whole_period"];

  const layoutOf = (layout) => {
    const copy = structuredClone(layout);
    copy.autosize = true;
    if (narrow.matches) {
      copy.font.size = 13;
      copy.dragmode = false; // a finger that scrolls the page must not zoom the figure
      copy.height += copy.showlegend === false ? 0 : 60;
      copy.legend.entrywidth = 0.48; // two columns
      copy.legend.entrywidthmode = "fraction";
      for (const axis of ["yaxis", "yaxis2"]) if (copy[axis]) copy[axis].title.standoff = 4;
    }
    return copy;
  };

  const show = (series) => {
    document.getElementById("about").textContent = series.about;
    for (const name of names) {
      const figure = series[name];
      const config = { responsive: true, displaylogo: false, displayModeBar: false };
      Plotly.react(name, structuredClone(figure.data), layoutOf(figure.layout), config);
      document.getElementById("words-" + name).textContent = figure.words;
    }
  };

  const showChosen = () => show(all[Number(chooser.value || 0)]);
  chooser.addEventListener("change", showChosen);
  narrow.addEventListener("change", showChosen);
  showChosen();
})();
