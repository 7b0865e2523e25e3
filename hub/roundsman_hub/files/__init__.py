"""Large things between vans and hub, over HTTPS under each unit's own certificate: photos and signatures in, the map out."""
