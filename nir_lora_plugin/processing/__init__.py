"""The Processing provider: the backend's jobs as algorithms for toolbox, models, batch and qgis_process."""
