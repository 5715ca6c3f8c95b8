from hone_chassis import serve

serve("hone_hub.app")
