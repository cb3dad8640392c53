"""Who: companies by DUNS, their certificates, premises, meters, who served them when, and who may see what."""
