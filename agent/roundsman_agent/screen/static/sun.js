// Height of the sun, to switch the screen to night by itself. NOAA's short formula; good to half a degree.
export function sunHeightDeg(utcMs, latDeg, lonDeg) {
  const rad = Math.PI / 180;
  const days = utcMs / 86400000 - 10957.5; // since 2000-01-01 12:00
  const mean = (280.46 + 0.9856474 * days) * rad;
  const anomaly = (357.528 + 0.9856003 * days) * rad;
  const long = mean + (1.915 * Math.sin(anomaly) + 0.02 * Math.sin(2 * anomaly)) * rad;
  const tilt = 23.439 * rad;
  const declination = Math.asin(Math.sin(tilt) * Math.sin(long));
  const ascension = Math.atan2(Math.cos(tilt) * Math.sin(long), Math.cos(long));
  const sidereal = (280.46062 + 360.9856473 * days + lonDeg) * rad;
  const hour = sidereal - ascension;
  const lat = latDeg * rad;
  return Math.asin(Math.sin(lat) * Math.sin(declination) + Math.cos(lat) * Math.cos(declination) * Math.cos(hour)) / rad;
}
