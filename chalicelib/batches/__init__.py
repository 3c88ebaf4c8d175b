"""Flow 3: a folder of images, classified by one batch transform job."""
