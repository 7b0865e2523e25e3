-- What was said of arrival times, and how it turned out, is lost; widths start from the rule of thumb again.
DROP TABLE eta_calibrations, eta_hits, eta_said;
