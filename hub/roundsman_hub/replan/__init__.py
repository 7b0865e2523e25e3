"""Re-planning: what changed (`revision`), what is known (`world`), the problem to solve (`build`), who may hold what (`holds`)."""
