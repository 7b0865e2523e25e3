-- Calendars, service levels, rosters and plans that were not released yet are lost; what was released is with the vans.
DROP TABLE day_plans, roster, service_levels, calendars;
