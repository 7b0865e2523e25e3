"""From a planner's routes to signed plans on the vans: issue (one transaction), publish (retained), sites and config documents."""
